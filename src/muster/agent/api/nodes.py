"""/v1/catalog/node, /v1/catalog/node-services and /v1/health/node: what is on a node."""

from __future__ import annotations

from collections.abc import Callable

from muster.agent.api.answer import Query, Refused, encode
from muster.agent.api.reading import catalog_filter, only_wanted, query, reading, watched_checks, watched_node
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.catalog import views
from muster.agent.catalog.topics import checks_on
from muster.agent.filter import schema
from muster.agent.state import State
from muster.registry.consul import wire


def node(state: State, request: Request) -> Query:
    """A node with its instances by id; null for an unknown one."""
    name, chosen = _node_name(request), _chosen(state, request)

    def body() -> bytes:
        if not state.catalog.has_node(name):
            return b"null"
        services = {view.id: view for view in chosen()}
        return encode({"Node": views.node(state.catalog.node(name)), "Services": services})

    return query(reading(state, request), watched_node(state, name), body)


def node_services(state: State, request: Request) -> Query:
    """A node with its instances as a list; nulls for an unknown one."""
    name, chosen = _node_name(request), _chosen(state, request)

    def body() -> bytes:
        if not state.catalog.has_node(name):
            return b'{"Node":null,"Services":null}'
        return encode({"Node": views.node(state.catalog.node(name)), "Services": chosen()})

    return query(reading(state, request), watched_node(state, name), body)


def checks(state: State, request: Request) -> Query:
    """The checks of a node and of the instances on it."""
    name, how = _node_name(request), reading(state, request)
    matches = catalog_filter(request.params, schema.CHECK)

    def body() -> bytes:
        return encode(only_wanted(matches, map(views.health_check, state.catalog.checks_on(name))))

    return query(how, watched_checks(state, checks_on(name)), body)


def _node_name(request: Request) -> str:
    if not request.rest:
        raise Refused(400, "Missing node name")
    return request.rest


def _chosen(state: State, request: Request) -> Callable[[], list[wire.NodeService]]:
    """The instances on the node that a request names, as far as its filter leaves them."""
    reading(state, request)
    matches = catalog_filter(request.params, schema.SERVICE)
    return lambda: only_wanted(matches, map(views.node_service, state.catalog.services_on(request.rest)))


ROUTES = (
    Route("GET", "/v1/catalog/node/", node),
    Route("GET", "/v1/catalog/node-services/", node_services),
    Route("GET", "/v1/health/node/", checks),
)
