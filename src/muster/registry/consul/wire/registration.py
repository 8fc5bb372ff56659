"""What is sent to an agent: instances, checks, their states."""

from __future__ import annotations

from typing import Any

from msgspec import field

from muster.registry.consul.wire.message import ServiceAddress, ServicePort, Weights, Wire


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
