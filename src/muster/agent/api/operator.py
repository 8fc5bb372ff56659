"""/v1/operator and /v1/coordinate: what a cluster of one can truthfully say of its consensus and of distances."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from muster.agent.api.answer import DONE, Answer, Query, Refused, json_answer
from muster.agent.api.reading import plain_query, plain_reading, require_datacenter
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found
from muster.agent.catalog.topics import NODES
from muster.agent.identity import API_VERSION
from muster.agent.state import State

_STARTED = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
_NOWHERE = {"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0.0, "Height": 1e-05}


def raft(state: State, request: Request) -> Answer:
    """The servers: this one, which leads."""
    require_datacenter(state, request.params)
    server = _server(state) | {"Node": state.identity.node, "ProtocolVersion": "3"}
    return json_answer({"Servers": [server], "Index": 0})


def autopilot(state: State, request: Request) -> Answer:
    """How servers that fail would be treated. It cannot be changed: there are no others."""
    require_datacenter(state, request.params)
    return json_answer(
        {
            "CleanupDeadServers": True,
            "LastContactThreshold": "200ms",
            "MaxTrailingLogs": 250,
            "MinQuorum": 0,
            "ServerStabilizationTime": "10s",
            "RedundancyZoneTag": "",
            "DisableUpgradeMigration": False,
            "UpgradeVersionTag": "",
            "CreateIndex": 1,
            "ModifyIndex": 1,
        }
    )


def health(state: State, request: Request) -> Answer:
    """Healthy for as long as it answers; no failure is tolerated."""
    require_datacenter(state, request.params)
    server = _server(state) | {
        "Name": state.identity.node,
        "SerfStatus": "alive",
        "Version": API_VERSION,
        "LastContact": "0s",
        "LastTerm": 1,
        "LastIndex": state.catalog.index,
        "Healthy": True,
        "StableSince": _STARTED,
    }
    return json_answer({"Healthy": True, "FailureTolerance": 0, "Servers": [server]})


def remove_peer(state: State, request: Request) -> Answer:
    """There is none to remove."""
    address, server_id = request.params.first("address"), request.params.first("id")
    if not address and not server_id:
        raise Refused(
            400, "Bad request: Must specify either ?id with the server's ID or ?address with IP:port of peer to remove"
        )
    named = f'address "{address}"' if address else f'id "{server_id}"'
    raise Refused(500, f"{named} was not found in the Raft configuration")


def coordinates(state: State, request: Request) -> Query:
    """Where the nodes are on the map of round-trip times: this one, at its origin."""
    require_datacenter(state, request.params)
    here = [{"Node": state.identity.node, "Segment": "", "Coord": _NOWHERE}]
    return plain_query(
        plain_reading(request),
        lambda: Found(state.catalog.table_index(NODES), (NODES,), lambda: json_answer(here)),
    )


def coordinate(state: State, request: Request) -> Answer | Query:
    """Where one node is; 404 for any other than this one."""
    require_datacenter(state, request.params)
    if request.rest.lower() != state.identity.node.lower():
        return Answer(404)
    return coordinates(state, request)


def datacenter_coordinates(state: State, request: Request) -> Answer:
    """There are no other datacenters to be far from."""
    return json_answer([])


def update(state: State, request: Request) -> Answer:
    """Taken and not kept: with one node there are no distances."""
    return DONE


def _server(state: State) -> dict[str, Any]:
    return {"ID": state.identity.node_id, "Address": state.identity.server, "Leader": True, "Voter": True}


ROUTES = (
    Route("GET", "/v1/operator/raft/configuration", raft),
    Route("DELETE", "/v1/operator/raft/peer", remove_peer),
    Route("GET", "/v1/operator/autopilot/configuration", autopilot),
    Route("GET", "/v1/operator/autopilot/health", health),
    Route("GET", "/v1/coordinate/datacenters", datacenter_coordinates),
    Route("GET", "/v1/coordinate/nodes", coordinates),
    Route("GET", "/v1/coordinate/node/", coordinate),
    Route("PUT", "/v1/coordinate/update", update),
)
