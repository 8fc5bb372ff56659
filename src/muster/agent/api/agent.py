"""/v1/agent: the agent itself."""

from __future__ import annotations

import os
import platform
from typing import Any

import msgspec

from muster._version import __version__
from muster.agent.api.answer import Answer, json_answer
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.identity import API_VERSION, Identity, node_row
from muster.agent.state import State
from muster.registry.consul import wire

_BUILD = f"muster {__version__}"
_ALIVE = 1


def about(state: State, request: Request) -> Answer:
    """Who the agent is. The version is that of the API it follows, the revision says what it really is."""
    identity = state.identity
    return json_answer(
        wire.AgentSelf(
            config=wire.SelfConfig(
                datacenter=identity.datacenter,
                node_name=identity.node,
                node_id=identity.node_id,
                revision=_BUILD,
                server=True,
                version=API_VERSION,
            ),
            debug_config=_debug_config(identity, state.in_force.dns_port),
            coord={"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0.0, "Height": 1e-05},
            member=_member(identity),
            stats=_stats(state),
            meta=dict(node_row(identity).meta or {}),
        )
    )


def members(state: State, request: Request) -> Answer:
    """The cluster: one member, with its datacenter in its name where `wan` asks for all datacenters."""
    member, wan = _member(state.identity), request.params.first("wan")
    if wan:
        member = msgspec.structs.replace(member, name=f"{member.name}.{state.identity.datacenter}")
    return json_answer([member])


def _member(identity: Identity) -> wire.Member:
    tags = {
        "acls": "0",
        "build": f"{API_VERSION}:",
        "dc": identity.datacenter,
        "id": identity.node_id,
        "port": str(identity.port),
        "role": "consul",
        "segment": "",
        "vsn": "2",
        "vsn_max": "3",
        "vsn_min": "2",
    }
    return wire.Member(
        name=identity.node,
        addr=identity.address,
        port=identity.port,
        tags=tags,
        status=_ALIVE,
        protocol_min=1,
        protocol_max=5,
        protocol_cur=2,
        delegate_min=2,
        delegate_max=5,
        delegate_cur=4,
    )


def _debug_config(identity: Identity, dns_port: int) -> dict[str, Any]:
    """The part of Consul's runtime configuration that clients are known to look at."""
    return {
        "ACLsEnabled": False,
        "AdvertiseAddrLAN": identity.address,
        "BindAddr": identity.address,
        "CheckUpdateInterval": "5m0s",
        "ClientAddrs": [identity.address],
        "Datacenter": identity.datacenter,
        "DNSPort": dns_port,
        "GRPCPort": -1,
        "HTTPAddrs": [f"tcp://{identity.server}"],
        "HTTPPort": identity.port,
        "HTTPSPort": -1,
        "NodeID": identity.node_id,
        "NodeName": identity.node,
        "PrimaryDatacenter": identity.datacenter,
        "Revision": _BUILD,
        "ServerMode": True,
        "SessionTTLMin": "0s",
        "Version": API_VERSION,
    }


def _stats(state: State) -> dict[str, dict[str, str]]:
    running = state.local.running
    return {
        "agent": {
            "check_monitors": str(running.monitors),
            "check_ttls": str(running.countdowns),
            "checks": str(len(state.local.checks)),
            "services": str(len(state.local.services)),
        },
        "build": {"prerelease": "", "revision": _BUILD, "version": API_VERSION},
        "consul": {
            "acl": "disabled",
            "bootstrap": "false",
            "known_datacenters": "1",
            "leader": "true",
            "leader_addr": state.identity.server,
            "server": "true",
        },
        "raft": {"applied_index": str(state.catalog.index), "num_peers": "0", "state": "Leader"},
        "runtime": {
            "arch": platform.machine(),
            "cpu_count": str(os.cpu_count() or 1),
            "os": platform.system().lower(),
            "version": f"python{platform.python_version()}",
        },
    }


ROUTES = (
    Route("GET", "/v1/agent/self", about),
    Route("GET", "/v1/agent/members", members),
)
