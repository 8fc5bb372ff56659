"""/v1/catalog/connect and /v1/health/connect: the instances that take calls for a service over Connect. And those of
gateways: no service is linked to one.

The agent keeps what is registered for a service mesh and answers questions about it; it is no certificate authority.
"""

from __future__ import annotations

from muster.agent.api.answer import Query, Refused, encode
from muster.agent.api.catalog import has_meta, has_tags, wanted_meta, wanted_tags
from muster.agent.api.health import is_passing
from muster.agent.api.reading import Watched, catalog_filter, flag, only_wanted, query, reading, watched_connect
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.catalog import views
from muster.agent.catalog.catalog import Entry
from muster.agent.catalog.topics import health_of, instances_of
from muster.agent.filter import schema
from muster.agent.state import State

_NEVER = Watched(lambda: 1, lambda: ())
"""What does not change."""


def catalog(state: State, request: Request) -> Query:
    """Without health."""
    name, how = _service_name(request), reading(state, request)
    matches = catalog_filter(request.params, schema.CATALOG_SERVICE)

    def body() -> bytes:
        found = (views.catalog_service(entry.node, entry.service) for entry in _chosen(state, request))
        return encode(only_wanted(matches, found))

    return query(how, watched_connect(state, name, instances_of), body)


def health(state: State, request: Request) -> Query:
    """With health; `passing` leaves only those whose checks, and whose node's, are all passing."""
    name, how = _service_name(request), reading(state, request)
    passing, matches = flag(request.params, "passing"), catalog_filter(request.params, schema.ENTRY)

    def body() -> bytes:
        entries = [entry for entry in _chosen(state, request) if not passing or is_passing(entry)]
        return encode(only_wanted(matches, map(views.service_entry, entries)))

    return query(how, watched_connect(state, name, health_of), body)


def behind_ingress(state: State, request: Request) -> Query:
    """The ingress gateways of a service: none."""
    _service_name(request)
    flag(request.params, "passing")
    return query(reading(state, request), _NEVER, lambda: b"[]")


def behind_gateway(state: State, request: Request) -> Query:
    """The services behind a gateway: none."""
    if not request.rest:
        raise Refused(400, "Missing gateway name")
    return query(reading(state, request), _NEVER, lambda: b"null")


def _service_name(request: Request) -> str:
    if not request.rest:
        raise Refused(400, "Missing service name")
    return request.rest


def _chosen(state: State, request: Request) -> list[Entry]:
    tags, meta = wanted_tags(request), wanted_meta(request)
    found = state.catalog.connected(request.rest)
    return [entry for entry in found if has_tags(entry.service, tags) and has_meta(entry.node, meta)]


ROUTES = (
    Route("GET", "/v1/catalog/connect/", catalog),
    Route("GET", "/v1/health/connect/", health),
    Route("GET", "/v1/health/ingress/", behind_ingress),
    Route("GET", "/v1/catalog/gateway-services/", behind_gateway),
)
