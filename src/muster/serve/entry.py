"""What the registry is told of an instance. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from muster.model.check import Check, GRPCCheck, TCPCheck, TTLCheck
from muster.model.endpoint import Endpoint
from muster.model.instance import GRPC, Instance, join_host_port
from muster.model.service import Registration
from muster.serve.settings import TLS, Timing

SELF = "self"
REACH = "reach"
"""The two checks: heartbeats of the instance itself, and the registry's own look at it."""


@dataclass(frozen=True, slots=True)
class Label:
    """What the author of a service says of it, for others to choose by."""

    name: str
    version: str = ""
    tags: tuple[str, ...] = ()
    metadata: Mapping[str, str] = field(default_factory=dict[str, str], hash=False)
    weight: int = 1
    zone: str = ""


def new_id(name: str) -> str:
    """An id for one start of one copy: the name and 48 random bits."""
    return f"{name}-{secrets.token_hex(6)}"


def digest(endpoints: Iterable[Endpoint]) -> str:
    """Twelve hexadecimal digits that are the same for the same endpoints, whatever their order."""
    lines = sorted(
        f"{e.path} {e.request} {e.response} {e.client_streaming:d}{e.server_streaming:d}\n" for e in endpoints
    )
    return sha256("".join(lines).encode()).hexdigest()[:12]


def compose(
    label: Label,
    instance_id: str,
    where: tuple[str, int],
    endpoints: Iterable[Endpoint],
    timing: Timing,
    tls: TLS | None,
) -> Registration:
    """The entry of a gRPC instance that is reached at `where`; an empty host leaves the address to the registry.

    Raises Rejected for what no registry takes.
    """
    host, port = where
    instance = Instance(
        id=instance_id,
        service=label.name,
        host=host,
        port=port,
        protocol=GRPC,
        version=label.version,
        tags=tuple(label.tags),
        metadata=dict(label.metadata),
        weight=label.weight,
        zone=label.zone,
        endpoints=digest(endpoints),
        verifiable=True,
    )
    checks = (TTLCheck(SELF, timing.ttl), _reach(instance, timing, tls))
    registration = Registration(instance, checks, timing.deregister_after)
    registration.validate()
    return registration


def _reach(instance: Instance, timing: Timing, tls: TLS | None) -> Check:
    """The registry asks for the instance's id, so that a stranger on a dead instance's port is found out.

    Its certificate is not checked: the registry's node seldom knows the service's authority, and here only the answer
    matters. Where callers must show a certificate the registry cannot call at all, and an open port has to do.
    """
    target = join_host_port(instance.host or "127.0.0.1", instance.port)
    timeout = min(5.0, timing.reach)
    if tls and tls.client_ca:
        return TCPCheck(REACH, target, timing.reach, timeout)
    secure = tls is not None
    return GRPCCheck(REACH, target, instance.id, timing.reach, timeout, tls=secure, tls_skip_verify=secure)
