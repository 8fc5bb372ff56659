"""/v1/agent/health/service: whether an instance, or any instance of a name, is healthy, as a status that load balancers
understand: 200 passing, 429 warning, 503 critical or in maintenance, 404 unknown."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from muster.agent.api.answer import JSON, Answer, Refused, encode
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.catalog import views
from muster.agent.catalog.rows import CheckRow, ServiceRow
from muster.agent.state import State
from muster.model.check import Health

_TEXT = b"text/plain"
_MAINTENANCE = "maintenance"
_STATUS = {Health.PASSING: 200, Health.WARNING: 429, Health.CRITICAL: 503, _MAINTENANCE: 503}
_WORST_FIRST = (_MAINTENANCE, Health.CRITICAL, Health.WARNING, Health.PASSING)

_UNTOLD = {
    "Interval": "0s",
    "Timeout": "0s",
    "DeregisterCriticalServiceAfter": "0s",
    "HTTP": "",
    "Header": None,
    "Method": "",
    "Body": "",
    "TLSSkipVerify": False,
    "TCP": "",
}
"""How the checks are made: only here Consul writes out that it does not tell."""


def by_id(state: State, request: Request) -> Answer:
    """One instance."""
    if not request.rest:
        raise Refused(500, "Bad request: Missing serviceID")
    row = state.local.services.get(request.rest)
    if row is None:
        why = f"ServiceId {request.rest} not found"
        nothing = {"AggregatedStatus": Health.CRITICAL, "Service": None, "Checks": None}
        return _answer(404, why, encode(why if _wants_text(request) else nothing), JSON)
    status, view = _judged(state, row)
    return _judgement(request, status, lambda: view)


def by_name(state: State, request: Request) -> Answer:
    """All instances of a name; the worst of them decides. Here the case of the name matters."""
    if not request.rest:
        raise Refused(500, "Bad request: Missing service Name")
    judged = [_judged(state, row) for row in state.local.services.values() if row.name == request.rest]
    if not judged:
        why = f"ServiceName {request.rest} Not Found"
        return _answer(404, why, why.encode(), _TEXT) if _wants_text(request) else _answer(404, why, b"[]", JSON)
    worst = min((status for status, _ in judged), key=_WORST_FIRST.index)
    return _judgement(request, worst, lambda: [view for _, view in judged])


def _judged(state: State, row: ServiceRow) -> tuple[str, dict[str, Any]]:
    """The state of an instance by its own checks and those of the node, and what is told of it."""
    checks = [check for check in state.local.checks.values() if check.service_id in ("", row.id)]
    status = min(map(_weight, checks), key=_WORST_FIRST.index, default=Health.PASSING)
    shown = [_check(check) for check in checks]
    return status, {"AggregatedStatus": status, "Service": views.agent_service(row), "Checks": shown}


def _weight(check: CheckRow) -> str:
    return _MAINTENANCE if check.type == _MAINTENANCE else check.status


def _check(row: CheckRow) -> dict[str, Any]:
    """A check as it is told here: without its type, with null for the tags of a node's check."""
    view = views.health_check(row)
    return {
        "Node": view.node,
        "CheckID": view.check_id,
        "Name": view.name,
        "Status": view.status,
        "Notes": view.notes,
        "Output": view.output,
        "ServiceID": view.service_id,
        "ServiceName": view.service_name,
        "ServiceTags": view.service_tags or None,
        "Type": "",
        "Definition": _UNTOLD,
        "CreateIndex": 0,
        "ModifyIndex": 0,
    }


def _judgement(request: Request, status: str, told: Callable[[], Any]) -> Answer:
    if _wants_text(request):
        return _answer(_STATUS[status], status, status.encode(), _TEXT)
    return _answer(_STATUS[status], status, encode(told()), JSON)


def _answer(status: int, reason: str, body: bytes, content_type: bytes) -> Answer:
    return Answer(status, body, content_type, ((b"X-Consul-Reason", reason.encode("latin-1", "replace")),))


def _wants_text(request: Request) -> bool:
    return request.params.first("format") == "text"


ROUTES = (
    Route("GET", "/v1/agent/health/service/id/", by_id),
    Route("GET", "/v1/agent/health/service/name/", by_name),
)
