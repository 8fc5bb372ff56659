"""/v1/agent/host, metrics, reload, join and force-leave: the process and the machine under it."""

from __future__ import annotations

import os
import platform
import resource
import socket
import time
from datetime import UTC, datetime

from muster.agent.api.answer import DONE, Answer, Refused, json_answer
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.state import State
from muster.model.errors import BadConfiguration

_PROMETHEUS = b"text/plain; version=0.0.4; charset=utf-8"
_UNIT = 1024 if platform.system() == "Linux" else 1
"""Bytes in what the system counts memory in: macOS counts bytes themselves."""


def host(state: State, request: Request) -> Answer:
    """The machine, as far as Python's standard library knows it."""
    total = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    processor = {"cpu": 0, "cores": os.cpu_count() or 1, "modelName": platform.processor() or platform.machine()}
    return json_answer(
        {
            "Memory": {"total": total},
            "CPU": [processor],
            "Host": {
                "hostname": socket.gethostname(),
                "os": platform.system().lower(),
                "kernelVersion": platform.release(),
                "kernelArch": platform.machine(),
            },
            "Disk": None,
            "CollectionTime": time.time_ns(),
            "Errors": None,
        }
    )


def metrics(state: State, request: Request) -> Answer:
    """Gauges of the agent, under names of its own: they are not those of Consul's internals."""
    gauges = _gauges(state)
    if request.params.first("format") == "prometheus":
        lines = (f"# TYPE {name} gauge\n{name} {value}\n" for name, value in gauges.items())
        return Answer(200, "".join(lines).encode(), _PROMETHEUS)
    shown = [{"Name": name, "Value": value, "Labels": {}} for name, value in gauges.items()]
    now = datetime.now(UTC).strftime("%Y-%m-%d %H:%M:%S +0000 UTC")
    return json_answer({"Timestamp": now, "Gauges": shown, "Points": [], "Counters": [], "Samples": []})


def reload(state: State, request: Request) -> Answer:
    """Have the configuration read again. A broken one keeps the old one in force, and the answer says why."""
    try:
        state.in_force.reload()
    except BadConfiguration as error:
        raise Refused(500, str(error)) from None
    return DONE


def leave(state: State, request: Request) -> Answer:
    """Answered before the agent ends, which is up to whoever runs it."""
    state.in_force.leave()
    return DONE


def join(state: State, request: Request) -> Answer:
    """Refused as Consul refuses when nobody is there: this node stays alone."""
    wide = request.params.first("wan") == "1"
    alone = f"1 error occurred:\n\t* Failed to join {request.rest}: this agent is a cluster of one\n\n"
    raise Refused(500, "WAN Federation is disabled" if wide else alone)


def force_leave(state: State, request: Request) -> Answer:
    """There is nobody who could be made to leave but this node, which stays."""
    if request.rest.lower() != state.identity.node.lower():
        raise Refused(500, f"agent: No node found with name '{request.rest}'")
    return DONE


def _gauges(state: State) -> dict[str, int]:
    return {
        "muster_agent_index": state.catalog.index,
        "muster_agent_services": len(state.local.services),
        "muster_agent_checks": len(state.local.checks),
        "muster_agent_blocked_queries": state.waiters.count,
        "muster_agent_keys": len(state.pairs),
        "muster_agent_sessions": len(state.sessions.table),
        "muster_agent_peak_memory_bytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * _UNIT,
    }


ROUTES = (
    Route("GET", "/v1/agent/host", host),
    Route("GET", "/v1/agent/metrics", metrics),
    Route("PUT", "/v1/agent/reload", reload),
    Route("PUT", "/v1/agent/leave", leave),
    Route("PUT", "/v1/agent/join/", join),
    Route("PUT", "/v1/agent/force-leave/", force_leave),
)
