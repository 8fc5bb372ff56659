"""/v1/health: instances with their checks, and checks by service and by state."""

from __future__ import annotations

from muster.agent.api.answer import Query, Refused, encode
from muster.agent.api.catalog import has_meta, has_tags, wanted_meta, wanted_tags
from muster.agent.api.reading import (
    catalog_filter,
    flag,
    only_wanted,
    query,
    reading,
    watched_checks,
    watched_service,
    watched_table,
)
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.catalog import views
from muster.agent.catalog.catalog import Entry
from muster.agent.catalog.rows import CheckRow
from muster.agent.catalog.topics import CHECKS, NODES, checks_of, health_of
from muster.agent.filter import schema
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
    how, tags, meta = reading(state, request), wanted_tags(request), wanted_meta(request)
    passing, matches = flag(request.params, "passing"), catalog_filter(request.params, schema.ENTRY)

    def chosen() -> list[wire.ServiceEntry]:
        found = (
            views.service_entry(entry)
            for entry in catalog.entries(name)
            if has_tags(entry.service, tags) and has_meta(entry.node, meta) and (not passing or is_passing(entry))
        )
        return only_wanted(matches, found)

    def body() -> bytes:
        if not catalog.exists(name):
            return b"[]"
        key = ("health service", name.lower(), passing, tags, meta, request.params.first("filter"))
        return state.encoded.body(key, catalog.index_of(name), chosen)

    return query(how, watched_service(state, name, health_of), body, steady=True)


def checks(state: State, request: Request) -> Query:
    """The checks of a service's instances, without their nodes' own."""
    if not request.rest:
        raise Refused(400, "Missing service name")

    how, meta = reading(state, request), wanted_meta(request)
    matches = catalog_filter(request.params, schema.CHECK)

    def body() -> bytes:
        rows = with_meta(state, state.catalog.checks_of(request.rest), meta)
        return encode(only_wanted(matches, map(views.health_check, rows)))

    return query(how, watched_checks(state, checks_of(request.rest)), body)


def in_state(state: State, request: Request) -> Query:
    """Every check in a state, or with `any` every check."""
    wanted = request.rest
    if not wanted:
        raise Refused(400, "Missing check state")
    how, meta = reading(state, request), wanted_meta(request)
    matches = catalog_filter(request.params, schema.CHECK)

    def chosen() -> list[wire.HealthCheck]:
        rows = [row for row in state.catalog.checks() if wanted in ("any", row.status)]
        return only_wanted(matches, map(views.health_check, with_meta(state, rows, meta)))

    def body() -> bytes:
        key = ("health state", wanted, meta, request.params.first("filter"))
        return state.encoded.body(key, max(map(state.catalog.table_index, (CHECKS, NODES))), chosen)

    return query(how, watched_table(state, CHECKS), body)


def with_meta(state: State, rows: list[CheckRow], wanted: tuple[tuple[str, str], ...]) -> list[CheckRow]:
    """The checks whose nodes have all of the wanted metadata."""
    return [row for row in rows if has_meta(state.catalog.node(row.node), wanted)] if wanted else rows


def is_passing(entry: Entry) -> bool:
    """Whether every check of an instance and of its node is passing; one without checks is."""
    return all(check.status == Health.PASSING for check in entry.checks)


ROUTES = (
    Route("GET", "/v1/health/service/", service),
    Route("GET", "/v1/health/checks/", checks),
    Route("GET", "/v1/health/state/", in_state),
)
