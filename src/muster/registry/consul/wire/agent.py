"""What an agent tells of itself and of what it holds."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType, field

from muster.registry.consul.wire.message import ServiceAddress, ServicePort, Weights, Wire


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
