"""/v1/agent/check: the checks of this agent, and reports on them."""

from __future__ import annotations

from muster.agent.api.answer import DONE, Answer, Refused, json_answer
from muster.agent.api.body import decode_body
from muster.agent.api.reading import is_wanted
from muster.agent.api.registration import new_check
from muster.agent.api.request import Request
from muster.agent.api.routing import Handler, Route
from muster.agent.catalog import views
from muster.agent.filter import BadFilter, Matches, schema
from muster.agent.filter.matching import compiled, parsed
from muster.agent.local import NotATTLCheck
from muster.agent.state import State
from muster.model.check import Health
from muster.registry.consul import wire


def checks(state: State, request: Request) -> Answer:
    """The checks of this agent, by id. No index, and no waiting."""
    found = {row.id: views.health_check(row) for row in state.local.checks.values()}
    matches = _filter(request.params.first("filter"), any_checks=bool(found))
    return json_answer({check_id: view for check_id, view in found.items() if is_wanted(matches, view)})


def _filter(text: str, *, any_checks: bool) -> Matches | None:
    """Consul looks at whether a filter fits the checks only once it has one, and then words it differently."""
    if not text:
        return None
    try:
        expression = parsed(text)
    except BadFilter as error:
        raise Refused(500, f"Failed to create boolean expression evaluator: {error}") from None
    try:
        return compiled(expression, schema.CHECK) if any_checks else None
    except BadFilter as error:
        raise Refused(500, str(error)) from None


def register(state: State, request: Request) -> Answer:
    """Write a check of an instance that is there, or of the node."""
    asked = decode_body(request.body, wire.CheckRegistration)
    service = state.local.services.get(asked.service_id)
    check = new_check(asked, state.identity.node, service, state.in_force.refuse_scripts)
    if asked.service_id and service is None:
        raise Refused(500, f'ServiceID "{asked.service_id}" does not exist')
    state.local.register_check(check)
    return DONE


def deregister(state: State, request: Request) -> Answer:
    """Remove a check; an unknown one is fine."""
    if not request.rest:
        raise Refused(500, "CheckID missing")
    state.local.deregister_check(request.rest)
    return DONE


def update(state: State, request: Request) -> Answer:
    """A report with the state and the output in the body."""
    asked = decode_body(request.body, wire.CheckUpdate)
    if asked.status not in set(Health):
        raise Refused(400, f"Invalid check status: '{asked.status}'")
    return _report(state, request.rest, Health(asked.status), asked.output)


def _reports(health: Health) -> Handler:
    """A report with the state in the path and the output in `note`."""

    def handler(state: State, request: Request) -> Answer:
        return _report(state, request.rest, health, request.params.first("note"))

    return handler


def _report(state: State, check_id: str, health: Health, note: str) -> Answer:
    try:
        state.local.report(check_id, health, note)
    except NotATTLCheck:
        raise Refused(500, f'CheckID "{check_id}" does not have associated TTL') from None
    return DONE


ROUTES = (
    Route("GET", "/v1/agent/checks", checks),
    Route("PUT", "/v1/agent/check/register", register),
    Route("PUT", "/v1/agent/check/deregister/", deregister),
    Route("PUT", "/v1/agent/check/pass/", _reports(Health.PASSING)),
    Route("PUT", "/v1/agent/check/warn/", _reports(Health.WARNING)),
    Route("PUT", "/v1/agent/check/fail/", _reports(Health.CRITICAL)),
    Route("PUT", "/v1/agent/check/update/", update),
)
