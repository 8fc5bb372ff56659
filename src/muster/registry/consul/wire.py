"""Consul's JSON: the only place where its field names exist. Data without behaviour, no I/O.

The client backend encodes the requests and decodes the answers; the embedded agent does the reverse.

Requests leave out what has its default. Answers are decoded leniently, since Consul's versions differ: unknown fields
are ignored, missing ones have defaults, and Go writes `null` for an empty list or map, so those are `| None`. In what
the agent encodes a field that is UNSET is left out, as Go does for `omitempty`.

Sources: https://developer.hashicorp.com/consul/api-docs and the answers of Consul 1.8.7. Durations are Go's
(see duration.py): strings, or numbers of nanoseconds.
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

_ACRONYMS = {
    "id": "ID",
    "ttl": "TTL",
    "http": "HTTP",
    "tcp": "TCP",
    "grpc": "GRPC",
    "tls": "TLS",
    "udp": "UDP",
    "kv": "KV",
}


def consul_key(name: str) -> str:
    """The key of a field: `tls_skip_verify` is `TLSSkipVerify`."""
    return "".join(_ACRONYMS.get(word) or word.capitalize() for word in name.split("_"))


class Wire(Struct, frozen=True, rename=consul_key, kw_only=True, gc=False):
    """Base of everything here: keyword arguments only, immutable, Consul's keys in JSON.

    gc=False: no cycle can lead through these, and a catalog holds them by the hundred thousand.
    """


# Parts of several messages


class Weights(Wire, frozen=True):
    """Shares of DNS answers and of calls. Once one of the two is given, a missing one is 0."""

    passing: int = 0
    warning: int = 0


class ServiceAddress(Wire, frozen=True):
    address: str = ""
    port: int = 0


class ServicePort(Wire, frozen=True, omit_defaults=True):
    """One of several ports of an instance, which Consul has since 1.22."""

    name: str = ""
    port: int = 0
    default: bool = False


NO_PROXY: dict[str, Any] = {"MeshGateway": {}, "Expose": {}}
"""What a catalog entry has for `Proxy` where the service is no proxy."""


# Requests


class CheckDefinition(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """How a check is made; `ServiceCheck` and `CheckRegistration` say whose it is. Durations are Go's."""

    name: str = ""
    notes: str = ""
    status: str = ""
    script_args: list[str] | None = None
    http: str = ""
    header: dict[str, list[str] | None] | None = None
    method: str = ""
    body: str = ""
    disable_redirects: bool = False
    tcp: str = ""
    h2ping: str = field(default="", name="H2PING")
    h2ping_use_tls: bool = field(default=True, name="H2PingUseTLS")
    interval: str | int | float | None = None
    timeout: str | int | float | None = None
    ttl: str | int | float | None = None
    alias_node: str = ""
    alias_service: str = ""
    docker_container_id: str = ""
    shell: str = ""
    grpc: str = ""
    grpc_use_tls: bool = False
    tls_server_name: str = ""
    tls_skip_verify: bool = False
    success_before_passing: int = 0
    failures_before_warning: int = 0
    failures_before_critical: int = 0
    deregister_critical_service_after: str | int | float | None = None
    output_max_size: int = 0


class ServiceCheck(CheckDefinition, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A check inside a service's registration. Without an id it gets `service:ID`, or `service:ID:2` and so on.

    `service_id` is taken and ignored.
    """

    check_id: str = ""
    service_id: str = ""
    proxy_http: str = ""
    proxy_grpc: str = ""


class CheckRegistration(CheckDefinition, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """PUT /v1/agent/check/register. The id's key differs from a service's check; without an id the name is the id."""

    id: str = ""
    service_id: str = ""
    token: str = ""


class ServiceRegistration(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """PUT /v1/agent/service/register. Without an id the name is the id."""

    kind: str = ""
    id: str = ""
    name: str = ""
    tags: list[str] | None = None
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    ports: list[ServicePort] | None = None
    check: ServiceCheck | None = None
    checks: list[ServiceCheck] | None = None
    weights: Weights | None = None
    token: str = ""
    enable_tag_override: bool = False
    proxy: dict[str, Any] | None = None
    connect: dict[str, Any] | None = None


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


class CatalogCheck(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """A check in PUT /v1/catalog/register. Without an id the name is the id."""

    node: str = ""
    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    type: str = ""
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


class SessionCheck(Wire, frozen=True, omit_defaults=True):
    """A check of an instance that a session depends on."""

    id: str = ""
    namespace: str = ""


class SessionRequest(Wire, frozen=True, omit_defaults=True):
    """PUT /v1/session/create. `lock_delay` is a Go duration, or a number: of seconds below 1000, else nanoseconds."""

    name: str = ""
    node: str = ""
    lock_delay: str | int | float | None = None
    behavior: str = ""
    ttl: str = ""
    checks: list[str] | None = None
    node_checks: list[str] | None = None
    service_checks: list[SessionCheck] | None = None


class KVOperation(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An operation on a key in PUT /v1/txn. `value` is base64."""

    verb: str = ""
    key: str = ""
    value: str | None = None
    flags: int = 0
    index: int = 0
    session: str = ""


class TransactionNode(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The node in an operation of PUT /v1/txn."""

    id: str = ""
    node: str = ""
    address: str = ""
    datacenter: str = ""
    tagged_addresses: dict[str, str] | None = None
    meta: dict[str, str] | None = None
    create_index: int = 0
    modify_index: int = 0


class TransactionService(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The instance in an operation of PUT /v1/txn. Consul takes its kind, proxy, Connect and tagged addresses, and
    drops them."""

    kind: str = ""
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | None = None
    weights: Weights | None = None
    enable_tag_override: bool = False
    create_index: int = 0
    modify_index: int = 0
    content_hash: str = ""
    proxy: dict[str, Any] | None = None
    connect: dict[str, Any] | None = None
    namespace: str = ""


class TransactionCheck(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The check in an operation of PUT /v1/txn; its definition is a TransactionCheckDefinition, leniently read."""

    node: str = ""
    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    type: str = ""
    namespace: str = ""
    definition: dict[str, Any] | None = None
    create_index: int = 0
    modify_index: int = 0


class TransactionCheckDefinition(Wire, frozen=True, omit_defaults=True):
    """How a check in PUT /v1/txn is made. Durations are Go's; of two spellings the longer one counts."""

    http: str = ""
    header: dict[str, list[str] | None] | None = None
    method: str = ""
    body: str = ""
    tls_skip_verify: bool = False
    tcp: str = ""
    interval: str | int | float | None = None
    interval_duration: str | int | float | None = None
    timeout: str | int | float | None = None
    timeout_duration: str | int | float | None = None
    deregister_critical_service_after: str | int | float | None = None
    deregister_critical_service_after_duration: str | int | float | None = None


class NodeOperation(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An operation on a node in PUT /v1/txn."""

    verb: str = ""
    node: TransactionNode = TransactionNode()


class ServiceOperation(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An operation on an instance in PUT /v1/txn."""

    verb: str = ""
    node: str = ""
    service: TransactionService = TransactionService()


class CheckOperation(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An operation on a check in PUT /v1/txn."""

    verb: str = ""
    check: TransactionCheck = TransactionCheck()


class TransactionOperation(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """An element of PUT /v1/txn: one of these; of several the first counts."""

    kv: KVOperation | None = None
    node: NodeOperation | None = None
    service: ServiceOperation | None = None
    check: CheckOperation | None = None


class AutopilotConfiguration(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """PUT /v1/operator/autopilot/configuration. Indexes are taken and ignored."""

    cleanup_dead_servers: bool = False
    last_contact_threshold: str | int | float | None = None
    max_trailing_logs: int = 0
    min_quorum: int = 0
    server_stabilization_time: str | int | float | None = None
    redundancy_zone_tag: str = ""
    disable_upgrade_migration: bool = False
    upgrade_version_tag: str = ""
    create_index: int = 0
    modify_index: int = 0


class CheckUpdate(Wire, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """PUT /v1/agent/check/update/ID."""

    status: str = ""
    output: str = ""


KEY_ALIASES = {
    "args": "scriptargs",
    "script_args": "scriptargs",
    "deregister_critical_service_after": "deregistercriticalserviceafter",
    "docker_container_id": "dockercontainerid",
    "enable_tag_override": "enabletagoverride",
    "service_id": "serviceid",
    "tagged_addresses": "taggedaddresses",
    "tls_skip_verify": "tlsskipverify",
}
"""The few snake_case keys that Consul takes in requests, and the key that each stands for; all in lower case."""


# Answers


class AgentService(Wire, frozen=True):
    """A value of GET /v1/agent/services (a map by id), and GET /v1/agent/service/ID with its ContentHash."""

    kind: str | UnsetType = UNSET
    id: str = ""
    service: str = ""
    tags: list[str] | None = None
    meta: dict[str, str] | None = None
    port: int = 0
    ports: list[ServicePort] | UnsetType | None = UNSET
    address: str = ""
    tagged_addresses: dict[str, ServiceAddress] | UnsetType | None = UNSET
    weights: Weights = field(default_factory=Weights)
    enable_tag_override: bool = False
    proxy: dict[str, Any] | UnsetType | None = UNSET
    connect: dict[str, Any] | UnsetType | None = UNSET
    content_hash: str | UnsetType = UNSET


class HealthCheck(Wire, frozen=True):
    """A value of GET /v1/agent/checks (a map by id), an element of health/checks and health/state, a part of
    `ServiceEntry`. A check of the node itself has an empty `service_id`."""

    node: str = ""
    check_id: str = ""
    name: str = ""
    status: str = ""
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: list[str] | None = None
    type: str = ""
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


class KVPair(Wire, frozen=True):
    """An element of GET /v1/kv/KEY. `value` is base64 in JSON; null when empty."""

    lock_index: int = 0
    key: str = ""
    flags: int = 0
    value: bytes | None = None
    session: str | UnsetType = UNSET
    create_index: int = 0
    modify_index: int = 0


class Session(Wire, frozen=True):
    """An element of GET /v1/session/list. `lock_delay` is in nanoseconds, `ttl` a Go duration or empty."""

    id: str = ""
    name: str = ""
    node: str = ""
    lock_delay: int = 0
    behavior: str = ""
    ttl: str = ""
    node_checks: list[str] | None = None
    service_checks: list[SessionCheck] | None = None
    create_index: int = 0
    modify_index: int = 0


class UserEvent(Wire, frozen=True):
    """An element of GET /v1/event/list. `payload` is base64 in JSON; null when empty."""

    id: str = ""
    name: str = ""
    payload: bytes | None = None
    node_filter: str = ""
    service_filter: str = ""
    tag_filter: str = ""
    version: int = 0
    l_time: int = 0


CatalogServices = dict[str, list[str] | None]
"""GET /v1/catalog/services: every name, with the tags in use by its instances."""


class SelfConfig(Wire, frozen=True):
    datacenter: str = ""
    node_name: str = ""
    node_id: str = ""
    revision: str = ""
    server: bool = False
    version: str = ""


class Member(Wire, frozen=True):
    """GET /v1/agent/members, a list. `status` 1 is alive."""

    name: str = ""
    addr: str = ""
    port: int = 0
    tags: dict[str, str] | None = None
    status: int = 0
    protocol_min: int = 0
    protocol_max: int = 0
    protocol_cur: int = 0
    delegate_min: int = 0
    delegate_max: int = 0
    delegate_cur: int = 0


class AgentSelf(Wire, frozen=True):
    """GET /v1/agent/self."""

    config: SelfConfig = field(default_factory=SelfConfig)
    debug_config: dict[str, Any] | None = None
    coord: dict[str, Any] | None = None
    member: Member = field(default_factory=Member)
    stats: dict[str, dict[str, str]] | None = None
    meta: dict[str, str] | None = None
