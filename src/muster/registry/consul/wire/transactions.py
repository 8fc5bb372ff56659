"""/v1/txn."""

from __future__ import annotations

from typing import Any

from muster.registry.consul.wire.message import CheckState, ServiceAddress, Weights, Wire


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


class TransactionCheck(CheckState, frozen=True, omit_defaults=True, forbid_unknown_fields=True):
    """The check in an operation of PUT /v1/txn; its definition is a TransactionCheckDefinition, leniently read."""

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
