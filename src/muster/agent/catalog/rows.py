"""What the tables of the catalog hold: immutable rows, replaced whole when something changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Stamp:
    """The indexes at which a row was first written and last changed. A row that no catalog holds has zeros."""

    created: int = 0
    modified: int = 0


NO_STAMP = Stamp()


@dataclass(frozen=True, slots=True)
class NodeRow:
    """One machine, as far as the registry is concerned."""

    name: str
    address: str
    id: str = ""
    datacenter: str = ""
    tagged_addresses: Mapping[str, str] | None = None
    meta: Mapping[str, str] | None = None
    stamp: Stamp = field(default=NO_STAMP, compare=False)


@dataclass(frozen=True, slots=True)
class NamedPort:
    """One of several ports of an instance."""

    name: str
    port: int
    default: bool = False


@dataclass(frozen=True, slots=True)
class ServiceRow:
    """One instance of a service on a node. `tagged_addresses` maps a tag to (address, port)."""

    node: str
    id: str
    name: str
    tags: tuple[str, ...] = ()
    address: str = ""
    port: int = 0
    meta: Mapping[str, str] = field(default_factory=dict[str, str])
    tagged_addresses: Mapping[str, tuple[str, int]] = field(default_factory=dict[str, tuple[str, int]])
    weight_passing: int = 1
    weight_warning: int = 1
    enable_tag_override: bool = False
    kind: str = ""
    proxy: Mapping[str, Any] | None = None
    connect: Mapping[str, Any] | None = None
    ports: tuple[NamedPort, ...] = ()
    stamp: Stamp = field(default=NO_STAMP, compare=False)

    @property
    def connect_target(self) -> str:
        """The service whose calls over Connect it takes: its own, or the one that it is a proxy for; empty for none."""
        if self.kind == "connect-proxy":
            return str((self.proxy or {}).get("DestinationServiceName", ""))
        return self.name if (self.connect or {}).get("Native") else ""


@dataclass(frozen=True, slots=True)
class CheckRow:
    """The state of one check, of a service's instance or, with an empty `service_id`, of the node itself.

    `status` is one of Health, or whatever a writer to the catalog made up. `definition` is what such a writer said of
    how the check is made, as it goes into answers; the agent keeps that of its own checks to itself.
    """

    node: str
    id: str
    name: str
    status: str
    notes: str = ""
    output: str = ""
    service_id: str = ""
    service_name: str = ""
    service_tags: tuple[str, ...] = ()
    type: str = ""
    definition: Mapping[str, Any] | None = None
    stamp: Stamp = field(default=NO_STAMP, compare=False)


NODE_HEALTH_CHECK = "serfHealth"
"""The check that Consul's gossip keeps for each node. One node alone is alive for as long as it answers."""
