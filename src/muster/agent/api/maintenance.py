"""/v1/agent/maintenance: a critical check that nobody looks after takes an instance, or the node, out of use."""

from __future__ import annotations

from muster.agent.api.answer import DONE, Answer, Refused
from muster.agent.api.reading import FALSE, TRUE
from muster.agent.api.request import Params, Request
from muster.agent.api.routing import Route
from muster.agent.catalog.rows import CheckRow
from muster.agent.local import NewCheck
from muster.agent.state import State
from muster.model.check import Health

_NODE_CHECK = "_node_maintenance"
_DEFAULT_REASON = "Maintenance mode is enabled for this {}, but no reason was provided. This is a default message."


def of_node(state: State, request: Request) -> Answer:
    row = CheckRow(
        node=state.identity.node,
        id=_NODE_CHECK,
        name="Node Maintenance Mode",
        status=Health.CRITICAL,
        notes=request.params.first("reason") or _DEFAULT_REASON.format("node"),
        type="maintenance",
    )
    return _switch(state, row, enable=_enable(request.params))


def of_service(state: State, request: Request) -> Answer:
    if not request.rest:
        raise Refused(400, "Missing service ID")
    enable = _enable(request.params)
    service = state.local.services.get(request.rest)
    if service is None:
        raise Refused(404, f'No service registered with ID "{request.rest}"')
    row = CheckRow(
        node=state.identity.node,
        id=f"_service_maintenance:{service.id}",
        name="Service Maintenance Mode",
        status=Health.CRITICAL,
        notes=request.params.first("reason") or _DEFAULT_REASON.format("service"),
        service_id=service.id,
        service_name=service.name,
        service_tags=service.tags,
        type="maintenance",
    )
    return _switch(state, row, enable=enable)


def _switch(state: State, row: CheckRow, *, enable: bool) -> Answer:
    """Enabling again changes nothing, not even the reason."""
    if not enable:
        state.local.deregister_check(row.id)
    elif row.id not in state.local.checks:
        state.local.register_check(NewCheck(row, None))
    return DONE


def _enable(params: Params) -> bool:
    value = params.first("enable")
    if not value:
        raise Refused(400, "Missing value for enable")
    if value not in TRUE and value not in FALSE:
        raise Refused(400, f'Invalid value for enable: "{value}"')
    return value in TRUE


ROUTES = (
    Route("PUT", "/v1/agent/maintenance", of_node),
    Route("PUT", "/v1/agent/service/maintenance/", of_service),
)
