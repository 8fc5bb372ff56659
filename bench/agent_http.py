"""The embedded agent's HTTP API beside a real Consul's, and beside a bare uvicorn application that answers the same.

Each is a process of its own; they take turns. A server that is not asked costs next to nothing meanwhile.

`python -m bench.agent_http serve FILE` is the bare application: it answers what FILE holds.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.request
from collections.abc import Iterator, MutableMapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import uvicorn

from bench import load
from bench.figure import Figure, of_repeats
from bench.processes import Served, agent_process, consul_process, started

_PATH = "/v1/health/service/web?passing"
_INSTANCES = 5
_CONNECTIONS = 16


def measure(quick: bool = False) -> list[Figure]:
    with ExitStack() as stack:
        agent, durable = stack.enter_context(agent_process()), stack.enter_context(_durable_agent())
        consul = stack.enter_context(consul_process())
        figures = [*_reading(agent, consul, quick), *_heartbeats(agent, durable, consul, quick)]
    return figures + _registering(quick)


# Reading


@dataclass(frozen=True)
class _Turn:
    """One run of wrk against one server: requests a second, and microseconds of the server's CPU for each."""

    rate: float
    cpu: float


def _reading(agent: Served, consul: Served, quick: bool) -> list[Figure]:
    for served in (agent, consul):
        load.run(load.ask_all(served.address, _registrations("web", _INSTANCES), 1))
    with _bare(f"http://{agent.address}{_PATH}") as bare:
        turns = [[_wrk(served, quick) for served in (agent, bare, consul)] for _ in range(2 if quick else 7)]
    what = f"GET health/service, {_INSTANCES} instances"
    ours, theirs = [turn[0].rate for turn in turns], [turn[2].rate for turn in turns]
    return [
        of_repeats(f"{what}: rate", ours, "/s", note=f"bare uvicorn {median(turn[1].rate for turn in turns):,.0f}"),
        of_repeats(f"{what}: rate of Consul", theirs, "/s"),
        of_repeats(f"{what}: rate against Consul", [a.rate / c.rate for a, _, c in turns], "x", at_least=3),
        of_repeats(f"{what}: rate against bare uvicorn", [a.rate / b.rate for a, b, _ in turns], "x", at_least=0.8),
        of_repeats(f"{what}: CPU of a request", [a.cpu for a, _, _ in turns], "µs"),
        of_repeats(f"{what}: CPU of a request, Consul", [c.cpu for _, _, c in turns], "µs"),
        of_repeats(f"{what}: CPU against bare uvicorn", [a.cpu / b.cpu for a, b, _ in turns], "x", at_most=1.25),
    ]


def _wrk(served: Served, quick: bool) -> _Turn:
    wrk = shutil.which("wrk")
    if wrk is None:
        raise SystemExit("no wrk to measure with: install the package wrk")
    cpu = served.cpu
    command = [wrk, "-t1", "-c32", f"-d{1 if quick else 3}s", f"http://{served.address}{_PATH}"]
    said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    if "Non-2xx" in said or "Socket errors" in said:
        raise RuntimeError(said)
    return _Turn(_said(r"Requests/sec:\s+([\d.]+)", said), (served.cpu - cpu) / _said(r"(\d+) requests in", said) * 1e6)


def _said(pattern: str, text: str) -> float:
    found = re.search(pattern, text)
    assert found is not None, text
    return float(found[1])


# Writing


def _heartbeats(agent: Served, durable: Served, consul: Served, quick: bool) -> list[Figure]:
    instances, beats = (20, 200) if quick else (100, 5000)
    passes = [load.request("PUT", f"/v1/agent/check/pass/service:beat-{number}") for number in range(instances)]
    asked, each = [passes[number % instances] for number in range(beats)], (agent, durable, consul)
    for served in each:
        load.run(load.ask_all(served.address, _registrations("beat", instances), 1))
    turns = [[_asked(served, asked) for served in each] for _ in range(2 if quick else 7)]
    what = f"TTL passes over {_CONNECTIONS} connections"
    return [
        of_repeats(f"{what}: rate", [ours.rate for ours, _, _ in turns], "/s"),
        of_repeats(f"{what}: rate against Consul", [a.rate / c.rate for a, _, c in turns], "x", at_least=4),
        of_repeats(f"{what}, --data-dir: against Consul", [d.rate / c.rate for _, d, c in turns], "x", at_least=2),
        of_repeats(f"{what}: CPU of one", [ours.cpu for ours, _, _ in turns], "µs"),
        of_repeats(f"{what}: CPU of one, Consul", [theirs.cpu for _, _, theirs in turns], "µs"),
    ]


def _registering(quick: bool) -> list[Figure]:
    """Once: Consul's rate falls with each, and has to be seen to the end."""
    count = 300 if quick else 10_000
    requests = list(_registrations("new", count, spread=100))
    with agent_process() as agent:
        ours = _asked(agent, requests)
    with _durable_agent() as durable:
        kept = _asked(durable, requests)
    with consul_process() as consul:
        theirs = _asked(consul, requests)
    what = f"registering {count:,} with TTL checks"
    return [
        Figure(f"{what}: rate", ours.rate, "/s"),
        Figure(f"{what}: rate of Consul", theirs.rate, "/s"),
        Figure(f"{what}: rate against Consul", ours.rate / theirs.rate, "x", at_least=30),
        Figure(f"{what}, --data-dir: against Consul", kept.rate / theirs.rate, "x", at_least=15),
        Figure(f"{what}: CPU of one", ours.cpu, "µs"),
        Figure(f"{what}, --data-dir: CPU of one", kept.cpu, "µs"),
        Figure(f"{what}: CPU of one, Consul", theirs.cpu, "µs"),
    ]


@contextmanager
def _durable_agent() -> Iterator[Served]:
    with tempfile.TemporaryDirectory() as folder, agent_process("--data-dir", folder) as agent:
        yield agent


def _asked(served: Served, requests: list[bytes]) -> _Turn:
    cpu = served.cpu
    seconds = load.run(load.ask_all(served.address, requests, _CONNECTIONS))
    return _Turn(len(requests) / seconds, (served.cpu - cpu) / len(requests) * 1e6)


def _registrations(name: str, count: int, spread: int = 1) -> Iterator[bytes]:
    """So many instances over `spread` names, as a service of muster registers itself."""
    for number in range(count):
        body = {
            "ID": f"{name}-{number}",
            "Name": name if spread == 1 else f"{name}-{number % spread}",
            "Address": "127.0.0.1",
            "Port": 8000 + number,
            "Tags": ["v1"],
            "Meta": {"version": "1.0", "protocol": "grpc"},
            "Check": {"TTL": "3600s", "Status": "passing"},
        }
        yield load.request("PUT", "/v1/agent/service/register", json.dumps(body).encode())


# The bare application


@contextmanager
def _bare(url: str) -> Iterator[Served]:
    with urllib.request.urlopen(url) as answer, tempfile.NamedTemporaryFile() as file:
        file.write(answer.read())
        file.flush()
        with started([sys.executable, "-m", "bench.agent_http", "serve", file.name], r"127\.0\.0\.1:\d+") as served:
            yield served


def _serve(file: str) -> None:
    body = Path(file).read_bytes()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]

    async def application(scope: MutableMapping[str, Any], receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    config = uvicorn.Config(
        application, port=0, loop="uvloop", http="httptools", lifespan="off", log_level="info", access_log=False
    )
    uvicorn.Server(config).run()  # it logs where it listens


if __name__ == "__main__":
    _serve(sys.argv[2])
