"""/v1/internal/ui: summaries that Consul's own web interface reads, and a few programs beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from muster.agent.api.answer import JSON, Answer, Query, Refused, encode, json_answer
from muster.agent.api.reading import NOT_ASKED, catalog_filter, plain_query, plain_reading
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found, Patience
from muster.agent.catalog import views
from muster.agent.catalog.catalog import Entry
from muster.agent.catalog.rows import NodeRow
from muster.agent.catalog.topics import CHECKS, NODES, SERVICES
from muster.agent.filter import schema
from muster.agent.state import State
from muster.model.check import Health

_SOURCE = "external-source"
"""The metadata that says who registers a service: `nomad`, `kubernetes`."""

_TABLES = (NODES, SERVICES, CHECKS)


def nodes(state: State, request: Request) -> Query:
    """Every node with what is on it."""
    patience = plain_reading(state, request, *NOT_ASKED)
    matches = catalog_filter(request.params, schema.NODE_INFO)

    def body() -> bytes:
        told = (_node(state, row) for row in state.catalog.nodes())
        return encode([info for info in told if matches is None or matches(info)])

    return _query(state, patience, body)


def node(state: State, request: Request) -> Answer | Query:
    """One node with what is on it; 404 for an unknown one."""
    if not request.rest:
        raise Refused(400, "Missing node name")
    patience = plain_reading(state, request, *NOT_ASKED)
    if not state.catalog.has_node(request.rest):
        return Answer(404)

    def body() -> bytes:
        known = state.catalog.has_node(request.rest)
        return encode(_node(state, state.catalog.node(request.rest)) if known else None)

    return _query(state, patience, body)


def services(state: State, request: Request) -> Query:
    """Every service in short; a filter chooses among instances."""
    patience = plain_reading(state, request, *NOT_ASKED)
    matches = catalog_filter(request.params, schema.ENTRY)

    def wanted(entry: Entry) -> bool:
        return matches is None or matches(msgspec.to_builtins(views.service_entry(entry)))

    def body() -> bytes:
        chosen = (
            [entry for entry in state.catalog.entries(name) if entry.service.name == name and wanted(entry)]
            for name in state.catalog.services()
        )
        return encode([_summary(entries) for entries in chosen if entries])

    return _query(state, patience, body)


def behind_gateway(state: State, request: Request) -> Query:
    """Nothing is linked to gateways here."""
    if not request.rest:
        raise Refused(400, "Missing gateway name")
    return plain_query(plain_reading(state, request, *NOT_ASKED), lambda: Found(1, (), lambda: json_answer([])))


def _query(state: State, patience: Patience, body: Callable[[], bytes]) -> Query:
    def ask() -> Found[Answer]:
        index = max(map(state.catalog.table_index, _TABLES))
        return Found(index, _TABLES, lambda: Answer(200, body(), JSON))

    return plain_query(patience, ask)


def _node(state: State, row: NodeRow) -> dict[str, Any]:
    instances = map(views.node_service, state.catalog.services_on(row.name))
    checks = map(views.health_check, state.catalog.checks_on(row.name))
    return {
        "ID": row.id,
        "Node": row.name,
        "Address": row.address,
        "TaggedAddresses": row.tagged_addresses,
        "Meta": row.meta,
        "Services": [_null_if_empty(view, "Tags") for view in instances],
        "Checks": [_null_if_empty(view, "ServiceTags") for view in checks],
    }


def _null_if_empty(view: msgspec.Struct, key: str) -> dict[str, Any]:
    """As Consul writes a list without elements in these answers, and in no others."""
    fields: dict[str, Any] = msgspec.to_builtins(view)
    fields[key] = fields[key] or None
    return fields


def _summary(entries: Sequence[Entry]) -> dict[str, Any]:
    """Instances of one service. A check of their node counts once for each of them."""
    first = entries[0].service
    proxied = {name for entry in entries if (name := (entry.service.proxy or {}).get("DestinationServiceName"))}
    return {
        **({"Kind": first.kind} if first.kind else {}),
        "Name": first.name,
        "Tags": sorted({tag for entry in entries for tag in entry.service.tags}) or None,
        "Nodes": [entry.node.name for entry in entries],
        "InstanceCount": len(entries),
        **({"ProxyFor": sorted(proxied)} if proxied else {}),
        **_counted(entries),
        "ExternalSources": sorted({entry.service.meta.get(_SOURCE, "") for entry in entries} - {""}) or None,
        "GatewayConfig": {},
    }


def _counted(entries: Sequence[Entry]) -> dict[str, int]:
    states = [check.status for entry in entries for check in entry.checks]
    kinds = {"Passing": Health.PASSING, "Warning": Health.WARNING, "Critical": Health.CRITICAL}
    return {f"Checks{name}": states.count(kind) for name, kind in kinds.items()}


ROUTES = (
    Route("GET", "/v1/internal/ui/nodes", nodes),
    Route("GET", "/v1/internal/ui/node/", node),
    Route("GET", "/v1/internal/ui/services", services),
    Route("GET", "/v1/internal/ui/gateway-services-nodes/", behind_gateway),
)
