"""What is written into the catalog, and read from it and from health."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from muster.registry.consul.wire.message import CheckState, ServiceAddress, ServicePort, Weights, Wire


class CatalogServiceDefinition(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A service in PUT /v1/catalog/register. Indexes, and what only answers have, are taken and ignored."""

    kind: str = ""
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    ports: list[ServicePort] | None = None
    weights: Weights | None = None
    enable_tag_override: bool = False
    proxy: dict[str, Any] | None = None
    connect: dict[str, Any] | None = None
    locally_registered_as_sidecar: bool = False
    create_index: int = 0
    modify_index: int = 0


class CatalogCheckDefinition(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a check in the catalog is made by whoever wrote it there. Durations are Go's."""

    interval: str | int | float | None = None
    timeout: str | int | float | None = None
    deregister_critical_service_after: str | int | float | None = None
    http: str = ""
    header: dict[str, list[str] | None] | None = None
    method: str = ""
    body: str = ""
    tls_skip_verify: bool = False
    tcp: str = ""
    output_max_size: int = 0
    script_args: list[str] | None = None
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    alias_node: str = ""
    alias_service: str = ""
    ttl: str | int | float | None = None


class CatalogCheck(CheckState, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A check in PUT /v1/catalog/register. Without an id the name is the id."""

    definition: CatalogCheckDefinition | None = None
    create_index: int = 0
    modify_index: int = 0


class CatalogRegistration(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """PUT /v1/catalog/register: a node and, if given, an instance and checks on it."""

    datacenter: str = ""
    id: str = ""
    node: str = ""
    address: str = ""
    tagged_addresses: dict[str, str] | None = None
    node_meta: dict[str, str] | None = None
    service: CatalogServiceDefinition | None = None
    check: CatalogCheck | None = None
    checks: list[CatalogCheck] | None = None
    skip_node_update: bool = False
    token: str = ""


class CatalogDeregistration(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """PUT /v1/catalog/deregister: an instance, a check or, without either, a node."""

    datacenter: str = ""
    node: str = ""
    service_id: str = ""
    check_id: str = ""
    token: str = ""


class HealthCheck(CheckState, frozen=True):
    """A value of GET /v1/agent/checks (a map by id), an element of health/checks and health/state, a part of
    `ServiceEntry`. A check of the node itself has an empty `service_id`."""

    definition: dict[str, Any] | None = field(default_factory=dict[str, Any])
    create_index: int = 0
    modify_index: int = 0


class Node(Wire, frozen=True):
    """An element of GET /v1/catalog/nodes, a part of `ServiceEntry`."""

    id: str = ""
    node: str = ""
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class NodeService(Wire, frozen=True):
    """A service as `ServiceEntry` has it. An empty `address` means that of the node."""

    kind: str | UnsetType = UNSET
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | UnsetType | None = UNSET
    meta: dict[str, str] | None = None
    port: int = 0
    ports: list[ServicePort] | UnsetType | None = UNSET
    weights: Weights = field(default_factory=Weights)
    enable_tag_override: bool = False
    proxy: dict[str, Any] | None = field(default_factory=dict[str, Any])
    connect: dict[str, Any] | None = field(default_factory=dict[str, Any])
    create_index: int = 0
    modify_index: int = 0


class ServiceEntry(Wire, frozen=True):
    """An element of GET /v1/health/service/NAME. `checks` holds the node's own checks too."""

    node: Node = field(default_factory=Node)
    service: NodeService = field(default_factory=NodeService)
    checks: list[HealthCheck] | None = None


class CatalogService(Wire, frozen=True):
    """An element of GET /v1/catalog/service/NAME: the node's fields and the service's, without checks."""

    id: str = ""
    node: str = ""
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    node_meta: dict[str, str] | None = None
    service_kind: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    service_address: str = ""
    service_tagged_addresses: dict[str, ServiceAddress] | UnsetType | None = UNSET
    service_weights: Weights = field(default_factory=Weights)
    service_meta: dict[str, str] | None = None
    service_port: int = 0
    service_ports: list[ServicePort] | UnsetType | None = UNSET
    service_enable_tag_override: bool = False
    service_proxy: dict[str, Any] | None = field(default_factory=dict[str, Any])
    service_connect: dict[str, Any] | None = field(default_factory=dict[str, Any])
    create_index: int = 0
    modify_index: int = 0


CatalogServices = dict[str, list[str] | None]
"""GET /v1/catalog/services: every name, with the tags in use by its instances."""
