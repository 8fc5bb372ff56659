"""One running copy of a service."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from muster.model.check import CheckState, Health

GRPC = "grpc"
HTTP = "http"
UNKNOWN = ""
"""Protocols. A registry entry that others wrote has none: unknown counts as any."""


@dataclass(frozen=True, slots=True)
class Instance:
    """One running copy of a service, as a registry tells it.

    `id` is new at every start (`name-` and random), so that a restarted copy is never mistaken for its predecessor.
    `host` is empty only in a registration that leaves the address to the registry's own node.
    `failing` holds the checks that are not passing, so that people can be told why.
    `verifiable` is true for instances that muster registered: their health service answers to their id, which proves
    that whoever listens at the address is this instance and not a stranger that took its port.
    """

    id: str
    service: str
    host: str
    port: int
    protocol: str = UNKNOWN
    version: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    weight: int = 1
    zone: str = ""
    health: Health = Health.PASSING
    failing: tuple[CheckState, ...] = ()
    endpoints: str = ""
    verifiable: bool = False

    @property
    def address(self) -> str:
        """`host:port`, with brackets around an IPv6 host."""
        return join_host_port(self.host, self.port)

    def speaks(self, protocol: str) -> bool:
        """Whether the instance may be called by `protocol`: unknown counts as any."""
        return not self.protocol or not protocol or self.protocol == protocol


def join_host_port(host: str, port: int) -> str:
    """`host:port` as URLs and gRPC targets write it (RFC 3986, section 3.2.2)."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def split_host_port(text: str) -> tuple[str, int]:
    """The reverse of `join_host_port`. Raises ValueError, whose text says what is wrong with `text`."""
    host, colon, port = text.rpartition(":")
    if not colon:
        raise ValueError(f"{text!r} has no port: write HOST:PORT")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ValueError(f"{text!r}: an IPv6 address needs brackets, as in [::1]:8500")
    if not (port.isascii() and port.isdigit() and int(port) <= 65535):
        raise ValueError(f"{text!r}: {port!r} is not a port (0 to 65535)")
    return host, int(port)
