"""Worker processes of one host that watch the same names: each by itself, through `muster agent --proxy`, or fed by one
process that holds the only hub, as a parent could be.

For each way: the connections that Consul holds, how long after a registration the last worker knows of it, what a
change costs all processes but Consul in CPU, and their memory.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from statistics import median

from bench.figure import Figure
from bench.processes import consul
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Pending, Snapshot, instances_of
from muster.registry.url import open_registry
from muster.watch.hub import Hub
from muster.watch.overrides import Overrides

_spawn = multiprocessing.get_context("spawn")
Tell = Callable[[Snapshot], None]


@dataclass(frozen=True)
class Load:
    """As much as each worker by itself can still do: Consul refuses the 201st connection of one address."""

    workers: int = 8
    names: int = 20
    changes: int = 60


def measure(quick: bool = False) -> list[Figure]:
    load = Load(2, 10, 5) if quick else Load()
    note = f"{load.workers} workers, {load.names} names each"
    figures = []
    for way, start in (("direct", _direct), ("proxy", _proxied), ("parent", _fed)):
        with consul() as url, ExitStack() as stack:
            asyncio.run(_register(url, load.names))
            pipes, pids = start(stack, url, load)
            for pipe in pipes:
                assert pipe.recv() == "ready"
            connections, before = _connections(url), _cpu(pids)
            latency = asyncio.run(_latencies(url, pipes, load.changes))
            cpu = (_cpu(pids) - before) / load.changes * 1e3
            figures += [
                Figure(f"{way}: connections at Consul", connections, "", note=note),
                Figure(f"{way}: register to last worker", median(latency), "ms", spread=(min(latency), max(latency))),
                Figure(f"{way}: CPU a change", cpu, "ms"),
                Figure(f"{way}: memory of all processes", sum(map(_memory, pids)), "MB"),
            ]
    return figures


Started = tuple[list[Connection], list[int]]


def _direct(stack: ExitStack, url: str, load: Load) -> Started:
    started = [_start(stack, _watch, url, load.names) for _ in range(load.workers)]
    return [pipe for pipe, _ in started], [pid for _, pid in started]


def _proxied(stack: ExitStack, url: str, load: Load) -> Started:
    command = [sys.executable, "-m", "muster", "agent", "--http", "127.0.0.1:0", "--proxy", url]
    proxy = stack.enter_context(subprocess.Popen(command, stdout=subprocess.PIPE, text=True))
    stack.callback(proxy.terminate)
    assert proxy.stdout is not None
    found = re.search(r"127\.0\.0\.1:\d+", proxy.stdout.readline())
    assert found is not None
    pipes, pids = _direct(stack, f"consul://{found[0]}", load)
    return pipes, [*pids, proxy.pid]


def _fed(stack: ExitStack, url: str, load: Load) -> Started:
    feeds = [_spawn.Pipe() for _ in range(load.workers)]
    started = [_start(stack, _read, theirs, load.names) for _, theirs in feeds]
    _, parent = _start(stack, _feed, url, load.names, [ours for ours, _ in feeds])
    return [pipe for pipe, _ in started], [*(pid for _, pid in started), parent]


def _start(stack: ExitStack, target: Callable[..., None], *arguments: object) -> tuple[Connection, int]:
    """A process that runs `target(pipe, *arguments)`, ended with the stack; our end of the pipe, and its id."""
    ours, theirs = _spawn.Pipe()
    process: BaseProcess = _spawn.Process(target=target, args=(theirs, *arguments))
    process.start()
    stack.callback(process.join)
    stack.callback(process.kill)
    assert process.pid is not None
    return ours, process.pid


def _watch(pipe: Connection, url: str, names: int) -> None:
    """A worker with a hub of its own."""
    asyncio.run(_hold(url, names, _Teller(pipe, names)))


def _read(pipe: Connection, feed: Connection, names: int) -> None:
    """A worker that is fed."""
    tell = _Teller(pipe, names)
    try:
        while True:
            tell(feed.recv())
    except EOFError:
        return  # the one that feeds was ended first


def _feed(pipe: Connection, url: str, names: int, feeds: list[Connection]) -> None:
    """A parent with the only hub."""

    def tell(snapshot: Snapshot) -> None:
        for feed in feeds:
            feed.send(snapshot)

    asyncio.run(_hold(url, names, tell))


async def _hold(url: str, names: int, tell: Tell) -> None:
    async with open_registry(url) as registry, Hub(registry, overrides=Overrides(environ={})) as hub:  # type: ignore[arg-type]
        for number in range(names):
            hub.watch(f"bench-{number}").latest.listen(tell)
        await asyncio.get_running_loop().create_future()


class _Teller:
    """What a worker says: when it knows something of every name, and when it knows of an instance of `bench-0`."""

    def __init__(self, pipe: Connection, names: int) -> None:
        self._pipe = pipe
        self._missing = {f"bench-{number}" for number in range(names)}

    def __call__(self, snapshot: Snapshot) -> None:
        if isinstance(snapshot, Pending):
            return
        if self._missing:
            self._missing.discard(snapshot.name)
            if not self._missing:
                self._pipe.send("ready")
        elif snapshot.name == "bench-0":
            self._pipe.send((time.perf_counter(), len(instances_of(snapshot))))


async def _register(url: str, names: int) -> None:
    """One instance of each name: what is watched is there, as a rule."""
    async with open_registry(url) as registry:
        for number in range(names):
            instance = Instance(f"first-{number}", f"bench-{number}", "127.0.0.1", 9000, protocol="grpc")
            await registry.register(Registration(instance))  # type: ignore[attr-defined]


async def _latencies(url: str, pipes: list[Connection], changes: int) -> list[float]:
    """Milliseconds until the last worker knew; its clock is ours, since perf_counter is the machine's on Linux."""
    taken = []
    async with open_registry(url) as registry:
        for number in range(changes):
            instance = Instance(f"bench-{number}", "bench-0", "127.0.0.1", 9000, protocol="grpc")
            began = time.perf_counter()
            await registry.register(Registration(instance))  # type: ignore[attr-defined]
            seen = [await asyncio.to_thread(_seen, pipe, number + 2) for pipe in pipes]
            taken.append((max(seen) - began) * 1e3)
    return taken


def _seen(pipe: Connection, count: int) -> float:
    while True:
        moment, instances = pipe.recv()
        if instances == count:
            return float(moment)


def _connections(url: str) -> int:
    """Connections to Consul's port, of whomever."""
    port = f":{int(url.rpartition(':')[2]):04X}"
    rows = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    return sum(row[2].endswith(port) and row[3] == "01" for row in rows)


def _cpu(pids: list[int]) -> float:
    """Seconds of CPU that the processes have used."""
    fields = [Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split() for pid in pids]
    return sum(int(each[11]) + int(each[12]) for each in fields) / os.sysconf("SC_CLK_TCK")


def _memory(pid: int) -> float:
    """Megabytes, shared pages counted in part."""
    found = re.search(r"^Pss:\s+(\d+) kB", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1]) / 1024
