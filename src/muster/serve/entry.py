"""What the registry is told of an instance. Pure."""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from muster.model.check import TTLCheck
from muster.model.endpoint import Endpoint
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.serve.reach import Reach, check_of
from muster.serve.settings import Timing

SELF = "self"
"""The name of the check that is the instance's own heartbeats."""


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
    reach: Reach,
) -> Registration:
    """The entry of an instance that is reached at `where`; an empty host leaves the address to the registry.

    Raises Rejected for what no registry takes.
    """
    host, port = where
    instance = Instance(
        id=instance_id,
        service=label.name,
        host=host,
        port=port,
        protocol=reach.protocol,
        version=label.version,
        tags=tuple(label.tags),
        metadata={**label.metadata, **reach.metadata},
        weight=label.weight,
        zone=label.zone,
        endpoints=digest(endpoints) if reach.proves else "",
        verifiable=reach.proves,
    )
    look = check_of(instance, reach, timing)
    beats = TTLCheck(SELF, timing.ttl) if reach.beats else None
    checks = tuple(check for check in (beats, look) if check is not None)
    registration = Registration(instance, checks, timing.deregister_after)
    registration.validate()
    return registration
