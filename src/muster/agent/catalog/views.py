"""Rows as Consul's JSON: which key each view has, and what it writes for "nothing", which differs from view to view."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType
from msgspec.structs import replace

from muster.agent.catalog.catalog import Entry
from muster.agent.catalog.rows import CheckRow, NodeRow, ServiceRow
from muster.registry.consul import wire


def agent_service(row: ServiceRow) -> wire.AgentService:
    """What the agent says of its own instance: no indexes, and empty lists and maps are written as such."""
    return wire.AgentService(
        kind=row.kind or UNSET,
        id=row.id,
        service=row.name,
        tags=list(row.tags),
        meta=dict(row.meta),
        port=row.port,
        ports=_ports(row),
        address=row.address,
        tagged_addresses=_addresses(row),
        weights=_weights(row),
        enable_tag_override=row.enable_tag_override,
        proxy=wire.NO_PROXY | dict(row.proxy or {}) if row.kind else UNSET,
        connect=dict(row.connect) if row.connect else UNSET,
    )


def node_service(row: ServiceRow) -> wire.NodeService:
    """The instance in a `ServiceEntry`: empty metadata is null."""
    return wire.NodeService(
        kind=row.kind or UNSET,
        id=row.id,
        service=row.name,
        tags=list(row.tags),
        address=row.address,
        tagged_addresses=_addresses(row),
        meta=dict(row.meta) or None,
        port=row.port,
        ports=_ports(row),
        weights=_weights(row),
        enable_tag_override=row.enable_tag_override,
        proxy=_proxy(row),
        connect=dict(row.connect or {}),
        create_index=row.stamp.created,
        modify_index=row.stamp.modified,
    )


def catalog_service(node: NodeRow, row: ServiceRow) -> wire.CatalogService:
    """The instance beside its node, without checks: empty metadata is an empty map."""
    return wire.CatalogService(
        id=node.id,
        node=node.name,
        address=node.address,
        datacenter=node.datacenter,
        tagged_addresses=_optional(node.tagged_addresses),
        node_meta=_optional(node.meta),
        service_kind=row.kind,
        service_id=row.id,
        service_name=row.name,
        service_tags=list(row.tags),
        service_address=row.address,
        service_tagged_addresses=_addresses(row),
        service_weights=_weights(row),
        service_meta=dict(row.meta),
        service_port=row.port,
        service_ports=_ports(row),
        service_enable_tag_override=row.enable_tag_override,
        service_proxy=_proxy(row),
        service_connect=dict(row.connect or {}),
        create_index=row.stamp.created,
        modify_index=row.stamp.modified,
    )


def node(row: NodeRow) -> wire.Node:
    return wire.Node(
        id=row.id,
        node=row.name,
        address=row.address,
        datacenter=row.datacenter,
        tagged_addresses=_optional(row.tagged_addresses),
        meta=_optional(row.meta),
        create_index=row.stamp.created,
        modify_index=row.stamp.modified,
    )


def health_check(row: CheckRow) -> wire.HealthCheck:
    """A check as the agent and the catalog both show it; the agent's own has indexes of 0."""
    return wire.HealthCheck(
        node=row.node,
        check_id=row.id,
        name=row.name,
        status=str(row.status),
        notes=row.notes,
        output=row.output,
        service_id=row.service_id,
        service_name=row.service_name,
        service_tags=list(row.service_tags),
        type=row.type,
        definition=dict(row.definition or {}),
        create_index=row.stamp.created,
        modify_index=row.stamp.modified,
    )


def service_entry(entry: Entry) -> wire.ServiceEntry:
    return wire.ServiceEntry(
        node=node(entry.node),
        service=node_service(entry.service),
        checks=[health_check(check) for check in entry.checks],
    )


def null_tags(entry: wire.ServiceEntry) -> wire.ServiceEntry:
    """The same with null for tags where there are none, as Consul tells of them where it reads its tables directly."""
    checks = [replace(check, service_tags=check.service_tags or None) for check in entry.checks or ()]
    return replace(entry, service=replace(entry.service, tags=entry.service.tags or None), checks=checks)


def _addresses(row: ServiceRow) -> dict[str, wire.ServiceAddress] | UnsetType:
    if not row.tagged_addresses:
        return UNSET
    return {
        tag: wire.ServiceAddress(address=address, port=port) for tag, (address, port) in row.tagged_addresses.items()
    }


def _ports(row: ServiceRow) -> list[wire.ServicePort] | UnsetType:
    if not row.ports:
        return UNSET
    return [wire.ServicePort(name=each.name, port=each.port, default=each.default) for each in row.ports]


def _weights(row: ServiceRow) -> wire.Weights:
    return wire.Weights(passing=row.weight_passing, warning=row.weight_warning)


def _proxy(row: ServiceRow) -> dict[str, Any]:
    """What the catalog has for a proxy: of its upstreams it also tells what was not said."""
    if not row.proxy:
        return wire.NO_PROXY
    proxy = wire.NO_PROXY | dict(row.proxy)
    if "Upstreams" in proxy:
        proxy["Upstreams"] = [{"Datacenter": "", "Config": None, **upstream} for upstream in proxy["Upstreams"]]
    return proxy


def _optional(values: Any) -> dict[str, str] | None:
    return None if values is None else dict(values)
