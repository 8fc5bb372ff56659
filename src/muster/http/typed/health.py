"""Who answers here, and whether it should get work: `/health/ID` for the registry and for clients, `/health` for
orchestrators. Both show what the checks of the service's author have found.

See muster.rpc.identity: 404 for another id, so that a stranger on a dead instance's port is found out.
"""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec

from muster.http.typed.problem import Headers
from muster.rpc.identity import DEFAULT_PATH, HEADER
from muster.serve.checks import Result
from muster.serve.health import OVERALL, Answer, HealthState

_STATUS = {Answer.SERVING: 200, Answer.NOT_SERVING: 503, Answer.UNKNOWN: 404}

Reply = tuple[int, Headers, bytes]
"""Status, headers and body."""


def health_of(path: str, instance_id: str, health: HealthState) -> Reply | None:
    """The answer to `path`; None for a path that is not about health."""
    if path == DEFAULT_PATH:
        return _reply(health.answer(OVERALL), health, instance_id)
    if not path.startswith(f"{DEFAULT_PATH}/"):
        return None
    asked = path.removeprefix(f"{DEFAULT_PATH}/")
    return _reply(health.answer(asked) if asked == instance_id else Answer.UNKNOWN, health, instance_id)


def _reply(answer: Answer, health: HealthState, instance_id: str) -> Reply:
    headers: Headers = ((b"content-type", b"application/json"), (b"cache-control", b"no-store"))
    if answer is not Answer.UNKNOWN:
        headers = (*headers, (HEADER.lower().encode(), instance_id.encode()))
    body: dict[str, object] = {"status": str(answer), "id": instance_id, "why": health.readiness.why}
    if answer is not Answer.UNKNOWN and (checks := health.reports.value.checks):
        body["checks"] = [_shown(check) for check in checks]
    return _STATUS[answer], headers, msgspec.json.encode(body)


def _shown(check: Result) -> dict[str, str]:
    """`since`: the time (RFC 3339) from which on the check has been in this state."""
    since = datetime.fromtimestamp(int(check.since), UTC).isoformat().replace("+00:00", "Z")
    state = check.state
    return {"name": state.name, "status": str(state.health), "since": since, "output": state.output}
