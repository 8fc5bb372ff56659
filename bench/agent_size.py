"""How the embedded agent's costs grow with what it holds: memory, registering, reading, heartbeats.

`python -m bench.agent_size FOLDER` draws the charts.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median

from bench import load
from bench.chart import Chart
from bench.figure import Figure
from bench.processes import Served, agent_process

_OF_ONE_NAME = 100
_CONNECTIONS = 16
_ASKED = 400


@dataclass(frozen=True)
class _Costs:
    """One agent with so many instances. Microseconds of its CPU for one of each; megabytes."""

    instances: int
    memory: float
    registering: float
    first_reading: float
    reading: float
    heartbeat: float


def measure(quick: bool = False) -> list[Figure]:
    sizes = (200, 1000) if quick else (1000, 10_000, 100_000)
    return _figures([_costs(size) for size in sizes])


def _figures(found: list[_Costs]) -> list[Figure]:
    least, most = found[0], found[-1]
    what = f"{most.instances:,} instances, {_OF_ONE_NAME} a name"
    first, again = most.first_reading / least.first_reading, most.reading / least.reading
    beside = f"of that with {least.instances:,}"
    return [
        Figure(f"{what}: resident memory", most.memory, "MB", at_most=500),
        Figure(f"{what}: an instance's memory", (most.memory - least.memory) / _more(least, most) * 1e3, "kB"),
        Figure(f"{what}: CPU to read one name, changed before each, {beside}", first, "x", at_most=1.2),
        Figure(f"{what}: CPU to read one name again, {beside}", again, "x", at_most=1.2),
        Figure(f"{what}: CPU of a registration, {beside}", most.registering / least.registering, "x"),
        Figure(f"{what}: CPU of a heartbeat, {beside}", most.heartbeat / least.heartbeat, "x"),
    ]


def _more(least: _Costs, most: _Costs) -> int:
    return most.instances - least.instances


def _costs(instances: int) -> _Costs:
    with agent_process() as agent:
        registering = _asked(agent, [_registration(number, instances) for number in range(instances)])
        memory = agent.memory
        read = load.request("GET", f"/v1/health/service/{_name(0, instances)}?passing")
        beats = [load.request("PUT", f"/v1/agent/check/pass/service:{number % instances}") for number in range(_ASKED)]
        return _Costs(
            instances,
            memory,
            registering,
            median(_read_anew(agent, read, instances) for _ in range(3)),
            median(_asked(agent, [read] * _ASKED * 10) for _ in range(3)),
            median(_asked(agent, beats * 10) for _ in range(3)),
        )


def _read_anew(agent: Served, read: bytes, instances: int) -> float:
    """A reading of a name that has changed since the last one; what the change itself costs is taken off."""
    changes = [_registration(0, instances, port=number) for number in range(_ASKED)]
    both = _asked(agent, [each for change in changes for each in (change, read)], connections=1) * 2
    return both - _asked(agent, changes, connections=1)


def _asked(agent: Served, requests: list[bytes], connections: int = _CONNECTIONS) -> float:
    """Microseconds of the agent's CPU for one of `requests`."""
    cpu = agent.cpu
    load.run(load.ask_all(agent.address, requests, min(connections, len(requests))))
    return (agent.cpu - cpu) / len(requests) * 1e6


def _name(number: int, instances: int) -> str:
    return f"service-{number % max(instances // _OF_ONE_NAME, 1)}"


def _registration(number: int, instances: int, port: int = 8000) -> bytes:
    body = {
        "ID": str(number),
        "Name": _name(number, instances),
        "Address": "10.0.0.1",
        "Port": port,
        "Tags": ["v1"],
        "Meta": {"version": "1.0", "protocol": "grpc"},
        "Check": {"TTL": "24h", "Status": "passing"},
    }
    return load.request("PUT", "/v1/agent/service/register", json.dumps(body).encode())


def draw(folder: Path) -> None:
    """Writes agent-cpu.svg and agent-memory.svg."""
    found = [_costs(size) for size in (300, 1000, 3000, 10_000, 30_000, 100_000)]
    lines = {
        "registering": _line(found, lambda costs: costs.registering),
        "reading, changed": _line(found, lambda costs: costs.first_reading),
        "reading again": _line(found, lambda costs: costs.reading),
        "heartbeat": _line(found, lambda costs: costs.heartbeat),
    }
    cpu = Chart("CPU of a request, 100 instances a name", "instances", "µs", lines, log_x=True, log_y=True)
    (folder / "agent-cpu.svg").write_text(cpu.svg())
    kept = {"memory": _line(found, lambda costs: costs.memory)}
    memory = Chart("Resident memory of the agent", "instances", "MB", kept, log_x=True, log_y=True)
    (folder / "agent-memory.svg").write_text(memory.svg())


def _line(found: list[_Costs], of: Callable[[_Costs], float]) -> Sequence[tuple[float, float]]:
    return [(costs.instances, of(costs)) for costs in found]


if __name__ == "__main__":
    draw(Path(sys.argv[1]))
