"""/v1/health: instances with their checks, and checks by service and by state."""

from __future__ import annotations

from muster.agent.api.answer import Query, Refused, encode
from muster.agent.api.catalog import has_meta, has_tags, wanted_meta, wanted_tags
from muster.agent.api.reading import flag, query, reading, watched_service, watched_table
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.catalog import views
from muster.agent.catalog.catalog import CHECKS, Entry, health_of
from muster.agent.state import State
from muster.model.check import Health
from muster.registry.consul import wire


def service(state: State, request: Request) -> Query:
    """The instances of a name with their nodes and checks.

    `passing` leaves only those whose checks, and whose node's, are all passing; `tag` and `node-meta` filter.
    """
    catalog, name = state.catalog, request.rest
    if not name:
        raise Refused(400, "Missing service name")
    passing, tags, meta = flag(request.params, "passing"), wanted_tags(request), wanted_meta(request)

    def chosen() -> list[wire.ServiceEntry]:
        return [
            views.service_entry(entry)
            for entry in catalog.entries(name)
            if has_tags(entry.service, tags) and has_meta(entry.node, meta) and (not passing or _is_passing(entry))
        ]

    def body() -> bytes:
        if not catalog.exists(name):
            return b"[]"
        key = ("health service", name.lower(), passing, tags, meta)
        return state.encoded.body(key, catalog.index_of(name), chosen)

    return query(reading(state, request), watched_service(state, name, health_of), body)


def checks(state: State, request: Request) -> Query:
    """The checks of a service's instances, without their nodes' own."""
    if not request.rest:
        raise Refused(400, "Missing service name")

    def body() -> bytes:
        return encode([views.health_check(row) for row in state.catalog.checks_of(request.rest)])

    return query(reading(state, request), watched_table(state, CHECKS), body)


def in_state(state: State, request: Request) -> Query:
    """Every check in a state, or with `any` every check."""
    wanted = request.rest
    if not wanted:
        raise Refused(400, "Missing check state")

    def chosen() -> list[wire.HealthCheck]:
        return [views.health_check(row) for row in state.catalog.checks() if wanted in ("any", row.status.value)]

    def body() -> bytes:
        if wanted != "any" and wanted not in set(Health):
            return b"[]"
        return state.encoded.body(("health state", wanted), state.catalog.table_index(CHECKS), chosen)

    return query(reading(state, request), watched_table(state, CHECKS), body)


def _is_passing(entry: Entry) -> bool:
    return all(check.status is Health.PASSING for check in entry.checks)


ROUTES = (
    Route("GET", "/v1/health/service/", service),
    Route("GET", "/v1/health/checks/", checks),
    Route("GET", "/v1/health/state/", in_state),
)
