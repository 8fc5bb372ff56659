"""Who this agent is, and the node that it puts into the catalog."""

from __future__ import annotations

import ipaddress
import socket
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from muster.agent.catalog.rows import NODE_HEALTH_CHECK, CheckRow, NodeRow, ServiceRow
from muster.agent.settings import Settings
from muster.model.check import Health

API_VERSION = "1.8.7"
"""The version of Consul whose API the agent follows. Clients parse it, so it must be one of Consul's."""


@dataclass(frozen=True, slots=True)
class Identity:
    """One agent: the name, id, address and metadata of its node, its datacenter, and the port of its HTTP API."""

    node: str
    node_id: str
    address: str
    datacenter: str
    port: int
    meta: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def server(self) -> str:
        """Where the cluster's leader is: here, at the HTTP port, since there is no other."""
        host = f"[{self.address}]" if ":" in self.address else self.address
        return f"{host}:{self.port}"


def identify(host: str, port: int, node: str, datacenter: str) -> Identity:
    """The identity of an agent bound to `host` and `port`. Looks up this machine's name and, if bound to a wildcard,
    which of its addresses routes outwards; sends nothing."""
    return Identity(
        node=node or socket.gethostname(),
        node_id=str(uuid.uuid4()),
        address=_outward_address(host) if ipaddress.ip_address(host).is_unspecified else host,
        datacenter=datacenter,
        port=port,
    )


def as_told(identity: Identity, settings: Settings) -> Identity:
    """The same with what its user settled: the node's id, address and metadata."""
    return replace(
        identity,
        node_id=settings.node_id or identity.node_id,
        address=settings.address or identity.address,
        meta=settings.node_meta,
    )


def node_row(identity: Identity) -> NodeRow:
    family = "ipv6" if ":" in identity.address else "ipv4"
    tags = ("lan", f"lan_{family}", "wan", f"wan_{family}")
    return NodeRow(
        name=identity.node,
        address=identity.address,
        id=identity.node_id,
        datacenter=identity.datacenter,
        tagged_addresses=dict.fromkeys(tags, identity.address),
        meta={"consul-network-segment": "", **identity.meta},
    )


def node_check(identity: Identity) -> CheckRow:
    return CheckRow(
        node=identity.node,
        id=NODE_HEALTH_CHECK,
        name="Serf Health Status",
        status=Health.PASSING,
        output="Agent alive and reachable",
    )


def server_row(identity: Identity) -> ServiceRow:
    """The service `consul` that every Consul server registers and that some clients look for to see that one is up."""
    return ServiceRow(node=identity.node, id="consul", name="consul", port=identity.port, meta={"version": API_VERSION})


def _outward_address(wildcard: str) -> str:
    family, target = (socket.AF_INET6, "2001:db8::1") if ":" in wildcard else (socket.AF_INET, "192.0.2.1")
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((target, 9))
        except OSError:
            return "::1" if family is socket.AF_INET6 else "127.0.0.1"
        return str(probe.getsockname()[0])
