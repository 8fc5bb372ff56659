"""Clients that wait for one service with blocking queries, at the embedded agent and at a real Consul: how soon all of
them have the new answer, what each costs while it waits, and how soon a single one has it."""

from __future__ import annotations

import asyncio
import json
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

from bench import load
from bench.figure import Figure, of_repeats
from bench.load import Asker
from bench.processes import Served, agent_process, consul_process

_QUIET = 0.5
"""Seconds without use of CPU after which a server is taken to have seen to everything."""

_SECONDS = 60


def measure(quick: bool = False) -> list[Figure]:
    clients, changes, single = (200, 2, 20) if quick else (4000, 9, 300)
    with tempfile.NamedTemporaryFile("w", suffix=".toml") as config:
        config.write(f"[limits]\nhttp_max_conns_per_client = {clients * 2}\n")
        config.flush()
        with agent_process("--config", config.name) as agent:
            ours = load.run(_waited_for(agent, clients, changes, single))
    with consul_process("-hcl", f"limits {{ http_max_conns_per_client = {clients * 2} }}") as consul:
        theirs = load.run(_waited_for(consul, clients, changes, single))
    return _figures(ours, theirs, clients)


class _Waited:
    """What one server was seen to do. Seconds; memory in kB a client."""

    def __init__(self) -> None:
        self.memory = 0.0
        self.all_told: list[float] = []
        self.cpu: list[float] = []
        self.one_told: list[float] = []


def _figures(ours: _Waited, theirs: _Waited, clients: int) -> list[Figure]:
    all_told, one = f"change to all of {clients:,} blocked clients", "register to a blocked client"
    ratio = median(ours.all_told) / median(theirs.all_told)
    one_ratio = median(ours.one_told) / median(theirs.one_told)
    return [
        of_repeats(all_told, [seconds * 1e3 for seconds in ours.all_told], "ms"),
        of_repeats(f"{all_told}, Consul", [seconds * 1e3 for seconds in theirs.all_told], "ms"),
        Figure(f"{all_told}, against Consul", ratio, "x", at_most=0.5),
        of_repeats(f"{all_told}: CPU", [seconds * 1e3 for seconds in ours.cpu], "ms"),
        of_repeats(f"{all_told}: CPU, Consul", [seconds * 1e3 for seconds in theirs.cpu], "ms"),
        Figure("memory of a blocked client", ours.memory, "kB", at_most=20),
        Figure("memory of a blocked client, Consul", theirs.memory, "kB"),
        of_repeats(one, [seconds * 1e3 for seconds in ours.one_told], "ms"),
        of_repeats(f"{one}, Consul", [seconds * 1e3 for seconds in theirs.one_told], "ms"),
        Figure(f"{one}, median against Consul's", one_ratio, "x", at_most=1),
    ]


async def _waited_for(served: Served, clients: int, changes: int, single: int) -> _Waited:
    found = _Waited()
    async with _writing(served) as register:
        await register(0)
        found.one_told = await _one_told(served, register, single)
        before = served.memory
        crowd = await _Crowd.gathered(served, clients)
        found.memory = (served.memory - before) * 1e3 / clients
        for number in range(changes):
            cpu, began = served.cpu, time.perf_counter()
            register.at_once(single + number + 1)
            found.all_told.append(await crowd.told() - began)
            await crowd.blocked()
            found.cpu.append(served.cpu - cpu)
        crowd.leave()
    return found


class _Crowd:
    """Clients that wait for the service, and as soon as they have an answer wait for the next, once they are let."""

    def __init__(self, served: Served) -> None:
        self._served = served
        self._askers: list[Asker] = []
        self._untold = 0
        self._told: asyncio.Future[float] = asyncio.get_running_loop().create_future()

    @classmethod
    async def gathered(cls, served: Served, clients: int) -> _Crowd:
        """So many, all of them waiting."""
        crowd = cls(served)
        crowd._untold = clients
        for _ in range(clients):
            crowd._askers.append(await load.connected(served.address, crowd._answered))
            crowd._askers[-1].ask(_question(b"0"))
        await crowd.told()
        await crowd.blocked()
        return crowd

    async def told(self) -> float:
        """When the last of them had its answer."""
        async with asyncio.timeout(_SECONDS):
            at = await self._told
        self._told = asyncio.get_running_loop().create_future()
        return at

    async def blocked(self) -> None:
        """Returns once all wait again, as far as the server's use of CPU tells."""
        self._untold = len(self._askers)
        for asker in self._askers:
            asker.ask(_question(asker.index))
        cpu = -1.0
        while cpu != self._served.cpu:
            cpu = self._served.cpu
            await asyncio.sleep(_QUIET)
        assert self._untold == len(self._askers)

    def leave(self) -> None:
        for asker in self._askers:
            asker.transport.close()

    def _answered(self, asker: Asker, status: int, at: float) -> None:
        if status != 200:
            self._told.set_exception(RuntimeError(f"status {status}"))
        self._untold -= 1
        if not self._untold:
            self._told.set_result(at)


async def _one_told(served: Served, register: _Registering, times: int) -> list[float]:
    """Seconds from each registration being sent to its being known to a client that waits for it."""
    answers: asyncio.Queue[float] = asyncio.Queue()
    watcher = await load.connected(served.address, lambda asker, status, at: answers.put_nowait(at))
    watcher.ask(_question(b"0"))
    await answers.get()
    seconds = []
    for number in range(1, times + 1):
        watcher.ask(_question(watcher.index))
        await register.nothing()
        began = time.perf_counter()
        await register(number)
        seconds.append(await answers.get() - began)
    watcher.transport.close()
    return seconds


class _Registering:
    """Writes the instance anew, each time on another port."""

    def __init__(self, asker: Asker, answered: asyncio.Queue[int]) -> None:
        self._asker = asker
        self._answered = answered

    async def __call__(self, number: int) -> None:
        self.at_once(number)
        status = await self._answered.get()
        if status != 200:
            raise RuntimeError(f"status {status}")

    async def nothing(self) -> None:
        """A round trip: by its end the server has read what was sent before it, on whichever connection."""
        self._asker.ask(load.request("GET", "/v1/status/leader"))
        await self._answered.get()

    def at_once(self, number: int) -> None:
        """Without waiting for the answer."""
        check = {"TTL": "3600s", "Status": "passing"}
        body = {"ID": "web-1", "Name": "web", "Address": "127.0.0.1", "Port": 8000 + number, "Check": check}
        self._asker.ask(load.request("PUT", "/v1/agent/service/register", json.dumps(body).encode()))


@asynccontextmanager
async def _writing(served: Served) -> AsyncIterator[_Registering]:
    statuses: asyncio.Queue[int] = asyncio.Queue()
    asker = await load.connected(served.address, lambda asker, status, at: statuses.put_nowait(status))
    try:
        yield _Registering(asker, statuses)
    finally:
        asker.transport.close()


def _question(index: bytes) -> bytes:
    return load.request("GET", f"/v1/health/service/web?passing&wait=10m&index={index.decode()}")
