"""What an agent answered and, where that is a refusal, the error that says who must act. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass

from muster.model.errors import Denied, MusterError, RegistryUnavailable, Rejected
from muster.registry.consul.rights import missing_rule

BUSY_SECONDS = 1.0
"""How long to leave an agent alone that answers 429 or 503 without saying for how long."""


class Unreachable(RegistryUnavailable):
    """No connection came about: it is certain that the agent saw nothing of the request."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole HTTP answer. `headers` find their names in any case. `agent` is the address, for texts."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    agent: str

    @property
    def text(self) -> str:
        """The start of the body, printable and on one line."""
        start = self.body[:300].decode(errors="replace")
        return " ".join("".join(c if c.isprintable() else " " for c in start).split())

    @property
    def index(self) -> int:
        """X-Consul-Index. Raises RegistryUnavailable where it is missing or no number: then that is no Consul."""
        text = self.headers.get("X-Consul-Index", "")
        if not (text.isascii() and text.isdigit()):
            raise RegistryUnavailable(
                f"Consul at {self.agent}: no X-Consul-Index in its answer: is that a Consul agent?"
            )
        return int(text)

    @property
    def filtered(self) -> bool:
        """Whether something was left out for lack of rights (Consul 1.11 and later say so)."""
        return self.headers.get("X-Consul-Results-Filtered-By-ACLs", "").lower() == "true"

    def older_than(self, seconds: float) -> bool:
        """Whether the server that answered last heard of the leader longer ago, or knows of none."""
        if self.headers.get("X-Consul-KnownLeader", "").lower() == "false":
            return True
        milliseconds = self.headers.get("X-Consul-LastContact", "")
        return milliseconds.isascii() and milliseconds.isdigit() and int(milliseconds) > seconds * 1000


def accepted(answer: Answer, rule: str) -> Answer:
    """The answer itself if it is 200; raises what `refusal` makes of any other."""
    if answer.status != 200:
        raise refusal(answer, rule)
    return answer


def refusal(answer: Answer, rule: str) -> MusterError:
    """The error for an answer other than 200. `rule` is what the token lacks if that is the reason."""
    said = f"Consul at {answer.agent} answered {answer.status}" + (f": {answer.text}" if answer.text else "")
    if _is_denial(answer):
        return _denied(answer, said, rule)
    if answer.status in (400, 413):
        return Rejected(said)
    if answer.status in (429, 503):
        return RegistryUnavailable(f"{said} (it is busy)", retry_after=retry_after(answer))
    if answer.status == 500:
        return RegistryUnavailable(said)
    return RegistryUnavailable(f"{said}: is that a Consul agent?")


def names_nothing(answer: Answer) -> bool:
    """Whether a refusal means that the service or check which the request names does not exist.

    404 in later versions. In 1.8 a 500 whose text depends on whether access rules are in force.
    """
    if answer.status == 404:
        return True
    return answer.status == 500 and bool(_UNKNOWN.search(answer.text))


_UNKNOWN = re.compile(r"^Unknown (service|check)|does not have associated TTL")


def _is_denial(answer: Answer) -> bool:
    """Older versions, and servers asked through an agent, put a denial into a 500."""
    if answer.status in (401, 403):
        return True
    return answer.status == 500 and ("Permission denied" in answer.text or "ACL not found" in answer.text)


def _denied(answer: Answer, said: str, rule: str) -> Denied:
    if "ACL not found" in answer.text:
        return Denied(f"{said}: it does not know the token, which may have been deleted or have expired")
    if answer.status == 401:
        return Denied(f"{said}: it, or a proxy before it, asks for a login (CONSUL_HTTP_AUTH=user:password)")
    return Denied(said, rule=missing_rule(answer.text) or rule)


def retry_after(answer: Answer) -> float | None:
    """For how many seconds a busy agent wants to be left alone; None where it is not busy."""
    if answer.status not in (429, 503):
        return None
    text = answer.headers.get("Retry-After", "")
    return float(text) if text.isascii() and text.isdigit() else BUSY_SECONDS
