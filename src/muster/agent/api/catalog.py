"""/v1/catalog: nodes, services and instances, without health."""

from __future__ import annotations

from muster.agent.api.answer import JSON, Answer, Query, Refused, encode
from muster.agent.api.reading import catalog_filter, only_wanted, query, reading, watched_service, watched_table
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.catalog import views
from muster.agent.catalog.rows import NodeRow, ServiceRow
from muster.agent.catalog.topics import NODES, SERVICES, instances_of
from muster.agent.filter import schema
from muster.agent.state import State
from muster.registry.consul import wire


def datacenters(state: State, request: Request) -> Answer:
    answer = Answer(200, encode([state.identity.datacenter]), JSON)
    return answer.adding((b"X-Cache", b"HIT"), (b"Age", b"0")) if "cached" in request.params else answer


def nodes(state: State, request: Request) -> Query:
    """`node-meta` filters; `near` only sorts, and with one node there is nothing to sort."""
    how, wanted = reading(state, request), wanted_meta(request)
    matches = catalog_filter(request.params, schema.NODE)

    def body() -> bytes:
        found = (views.node(row) for row in state.catalog.nodes() if has_meta(row, wanted))
        return encode(only_wanted(matches, found))

    return query(how, watched_table(state, NODES), body)


def services(state: State, request: Request) -> Query:
    """Every name with the tags in use; `node-meta` filters."""
    catalog, wanted = state.catalog, wanted_meta(request)

    def body() -> bytes:
        if wanted:
            return encode(catalog.services({row.name.lower() for row in catalog.nodes() if has_meta(row, wanted)}))
        return state.encoded.body("catalog services", catalog.table_index(SERVICES), catalog.services)

    return query(reading(state, request), watched_table(state, SERVICES), body)


def service(state: State, request: Request) -> Query:
    """The instances of a name, with their nodes; `tag`, repeated, filters."""
    catalog, name = state.catalog, request.rest
    if not name:
        raise Refused(400, "Missing service name")
    how, tags, wanted = reading(state, request), wanted_tags(request), wanted_meta(request)
    matches = catalog_filter(request.params, schema.CATALOG_SERVICE)

    def chosen() -> list[wire.CatalogService]:
        nodes_of = ((catalog.node(row.node), row) for row in catalog.instances(name) if has_tags(row, tags))
        found = (views.catalog_service(node, row) for node, row in nodes_of if has_meta(node, wanted))
        return only_wanted(matches, found)

    def body() -> bytes:
        if not catalog.exists(name):
            return b"[]"
        key = ("catalog service", name.lower(), tags, wanted, request.params.first("filter"))
        return state.encoded.body(key, catalog.index_of(name), chosen)

    return query(how, watched_service(state, name, instances_of), body, steady=True)


def wanted_tags(request: Request) -> tuple[str, ...]:
    """The tags that an instance must all have, in lower case."""
    return tuple(tag.lower() for tag in request.params.all("tag"))


def has_tags(row: ServiceRow, wanted: tuple[str, ...]) -> bool:
    """Whether an instance has all of `wanted`; case does not matter, and an empty tag matches nothing."""
    return not wanted or set(wanted) <= {tag.lower() for tag in row.tags}


def wanted_meta(request: Request) -> tuple[tuple[str, str], ...]:
    """The pairs of metadata that a node must all have, written `key:value`."""
    pairs = (value.partition(":") for value in request.params.all("node-meta"))
    return tuple((key, value) for key, _, value in pairs)


def has_meta(row: NodeRow, wanted: tuple[tuple[str, str], ...]) -> bool:
    """Whether a node has all of `wanted`."""
    return all((row.meta or {}).get(key) == value for key, value in wanted)


ROUTES = (
    Route("GET", "/v1/catalog/datacenters", datacenters),
    Route("GET", "/v1/catalog/nodes", nodes),
    Route("GET", "/v1/catalog/services", services),
    Route("GET", "/v1/catalog/service/", service),
)
