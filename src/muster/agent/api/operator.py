"""/v1/operator and /v1/coordinate: what a cluster of one can truthfully say of its consensus and of distances."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from muster.agent.api.answer import DONE, Answer, Query, Refused, json_answer
from muster.agent.api.body import Dialect, decode_body
from muster.agent.api.numbers import parse_uint
from muster.agent.api.reading import NOT_ASKED, plain_query, plain_reading, require_datacenter
from muster.agent.api.request import Params, Request
from muster.agent.api.routing import Route
from muster.agent.autopilot import AutopilotSettings
from muster.agent.blocking import Found
from muster.agent.catalog.topics import NODES
from muster.agent.identity import API_VERSION
from muster.agent.state import State
from muster.registry.consul import wire
from muster.registry.consul.duration import format_duration, parse_duration

_STARTED = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
_NOWHERE = {"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0.0, "Height": 1e-05}


def raft(state: State, request: Request) -> Answer:
    """The servers: this one, which leads."""
    plain_reading(state, request)
    server = _server(state) | {"Node": state.identity.node, "ProtocolVersion": "3"}
    return json_answer({"Servers": [server], "Index": 0})


def autopilot(state: State, request: Request) -> Answer:
    """How servers that fail would be treated, if there were any."""
    plain_reading(state, request)
    settings = state.autopilot.settings
    return json_answer(
        {
            "CleanupDeadServers": settings.cleanup_dead_servers,
            "LastContactThreshold": format_duration(settings.last_contact_threshold),
            "MaxTrailingLogs": settings.max_trailing_logs,
            "MinQuorum": settings.min_quorum,
            "ServerStabilizationTime": format_duration(settings.server_stabilization_time),
            "RedundancyZoneTag": settings.redundancy_zone_tag,
            "DisableUpgradeMigration": settings.disable_upgrade_migration,
            "UpgradeVersionTag": settings.upgrade_version_tag,
            "CreateIndex": settings.stamp.created,
            "ModifyIndex": settings.stamp.modified,
        }
    )


def set_autopilot(state: State, request: Request) -> Answer:
    """Keep other settings; with `cas` only if they were last changed at that index."""
    require_datacenter(state, request.params)
    asked = decode_body(request.body, wire.AutopilotConfiguration, _AUTOPILOT)
    _refuse_negative("MaxTrailingLogs", asked.max_trailing_logs, "uint64")
    _refuse_negative("MinQuorum", asked.min_quorum, "uint")
    try:
        threshold, stabilization = (
            parse_duration(value or 0) for value in (asked.last_contact_threshold, asked.server_stabilization_time)
        )
    except ValueError as error:
        raise _AUTOPILOT.failed(str(error)) from None
    settings = AutopilotSettings(
        cleanup_dead_servers=asked.cleanup_dead_servers,
        last_contact_threshold=threshold,
        max_trailing_logs=asked.max_trailing_logs,
        min_quorum=asked.min_quorum,
        server_stabilization_time=stabilization,
        redundancy_zone_tag=asked.redundancy_zone_tag,
        disable_upgrade_migration=asked.disable_upgrade_migration,
        upgrade_version_tag=asked.upgrade_version_tag,
    )
    return json_answer(state.autopilot.put(settings, _cas(request.params)))


_AUTOPILOT = Dialect(complaint="Bad request: Error parsing autopilot config: ")


def _refuse_negative(key: str, value: int, go_type: str) -> None:
    if value < 0:
        field = f"AutopilotConfiguration.{key}"
        raise _AUTOPILOT.failed(f"json: cannot unmarshal number {value} into Go struct field {field} of type {go_type}")


def _cas(params: Params) -> int | None:
    if "cas" not in params:
        return None
    try:
        return parse_uint(params.first("cas"))
    except Refused as error:
        raise Refused(400, f"Bad request: Error parsing cas value: {error}") from None


def health(state: State, request: Request) -> Answer:
    """Healthy for as long as it answers; no failure is tolerated."""
    plain_reading(state, request)
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


def keyring(state: State, request: Request) -> Answer:
    """There is no gossip between servers that keys could encrypt."""
    what = "Keyring is empty" if request.method == "GET" else "No keyring to modify"
    told = f"{state.identity.datacenter} (LAN) error: 1/1 nodes reported failure"
    raise Refused(
        500, f"2 errors occurred:\n\t* {told}\n\t* {state.identity.node}: {what} (encryption not enabled)\n\n"
    )


def coordinates(state: State, request: Request) -> Query:
    """Where the nodes are on the map of round-trip times: this one, at its origin."""
    here = [{"Node": state.identity.node, "Segment": "", "Coord": _NOWHERE}]
    return plain_query(
        plain_reading(state, request, *NOT_ASKED),
        lambda: Found(state.catalog.table_index(NODES), (NODES,), lambda: json_answer(here)),
    )


def coordinate(state: State, request: Request) -> Answer | Query:
    """Where one node is; 404 for any other than this one."""
    plain_reading(state, request, *NOT_ASKED)
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
    *(Route(method, "/v1/operator/keyring", keyring) for method in ("GET", "POST", "PUT", "DELETE")),
    Route("GET", "/v1/operator/autopilot/configuration", autopilot),
    Route("PUT", "/v1/operator/autopilot/configuration", set_autopilot),
    Route("GET", "/v1/operator/autopilot/health", health),
    Route("GET", "/v1/coordinate/datacenters", datacenter_coordinates),
    Route("GET", "/v1/coordinate/nodes", coordinates),
    Route("GET", "/v1/coordinate/node/", coordinate),
    Route("PUT", "/v1/coordinate/update", update),
)
