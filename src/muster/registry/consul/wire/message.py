"""What every message of Consul is made of, and parts that several share."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

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


class CheckState(Wire, frozen=True):
    """What is the same in every message about a check. That of a node itself has an empty `service_id`."""

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
