"""Errors as RFC 9457 has them: application/problem+json."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass, replace

import msgspec

from muster.gateway.exchange import Headers, Response
from muster.model.errors import (
    BadConfiguration,
    Denied,
    Fault,
    MusterError,
    NoInstances,
    Overloaded,
    RegistryUnavailable,
    Rejected,
)
from muster.rpc.status import reason, status_of

log = logging.getLogger("muster.gateway")

RETRY_AFTER = 1.0
"""Seconds to stay away for where nobody knows better: clients learn of a new instance within that time."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What went wrong with a request. `code` is a gRPC status name, a member of our own (RFC 9457, section 3.2)."""

    status: int
    code: str
    detail: str
    headers: Headers = ()

    def response(self, path: str) -> Response:
        """The answer to a request for `path`. Its type is about:blank: the status says all that there is to it."""
        body = {
            "type": "about:blank",
            "title": reason(self.status),
            "status": self.status,
            "detail": _encodable(self.detail),
            "instance": path,
            "code": self.code,
        }
        return Response(
            self.status,
            ((b"content-type", b"application/problem+json"), (b"cache-control", b"no-store"), *self.headers),
            msgspec.json.encode(body),
        )


class Refused(MusterError):
    """The gateway answers with a problem of its own, before anything is called."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.detail)
        self.problem = problem


def refused(status: int, code: str, detail: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Refused:
    """What to raise for a request that is refused."""
    return Refused(Problem(status, code, detail, tuple(headers)))


def problem_of(error: MusterError) -> Problem:
    """What an error of muster means to an HTTP client."""
    match error:
        case Refused():
            return error.problem
        case Fault():
            return _waiting(Problem(status_of(error.code).http, error.code, error.detail or reason_of(error.code)))
        case NoInstances(known=False):
            return Problem(404, "NOT_FOUND", f"no service {error.name!r} is registered")
        case NoInstances() | Overloaded():
            return _waiting(Problem(503, "UNAVAILABLE", str(error)))
        case RegistryUnavailable():
            return _waiting(Problem(503, "UNAVAILABLE", str(error)), error.retry_after)
        case Denied() | BadConfiguration():
            # The caller cannot mend it, and rules and settings are not for strangers: the log has them.
            log.error("%s", error)
            return Problem(500, "INTERNAL", "the gateway is not set up for this; its log says why")
        case Rejected():
            return Problem(400, "INVALID_ARGUMENT", str(error))
        case _:
            return Problem(500, "INTERNAL", str(error))


def discreet(error: MusterError) -> MusterError:
    """`error` as strangers may hear of it: without addresses of instances or of the registry, which the log has."""
    match error:
        case RegistryUnavailable():
            return RegistryUnavailable("who offers this cannot be found out now", retry_after=error.retry_after)
        case NoInstances(known=True):
            return Fault("UNAVAILABLE", f"no instance of {error.name!r} can be called now")
        case Fault(code="UNAVAILABLE"):
            return Fault("UNAVAILABLE", "the service cannot be reached now")
        case _:
            return error


def reason_of(code: str) -> str:
    """A text for an error that came without one."""
    return f"the service answered {code} and said no more"


def _encodable(text: str) -> str:
    """JSON may spell half of a surrogate pair, and a text that quotes it cannot be sent as it is."""
    return text.encode(errors="backslashreplace").decode()


def _waiting(problem: Problem, seconds: float | None = None) -> Problem:
    """A 503 tells when to come back (RFC 9110, section 10.2.3), in whole seconds."""
    if problem.status != 503:
        return problem
    after = max(1, round(RETRY_AFTER if seconds is None else seconds))
    return replace(problem, headers=(*problem.headers, (b"retry-after", str(after).encode())))
