"""`muster run --workers`: processes that serve, crash, hang, are replaced, and end in order."""

from __future__ import annotations

import asyncio
import json
import os
import re
import secrets
import signal
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from tests.cli.conftest import Command, Staying

import muster as library

SERVICE = """
import asyncio, os, sys, time
import muster
from muster.serve.settings import Timing

service = muster.Service("NAME", version="1", timing=Timing(drain=0.3, stop=3.0, beat=1.0))

@service.handler
class Say:
    async def who(self) -> int:
        return os.getpid()
    async def slow(self) -> int:
        print("slow was called", file=sys.stderr, flush=True)
        await asyncio.sleep(0.4)
        return os.getpid()
    async def hang(self) -> int:
        while True:
            time.sleep(1)
"""


class Crew:
    """A running `muster run --workers`."""

    def __init__(self, process: Staying, registry: str, name: str) -> None:
        self.process = process
        self.name = name
        self.line = process.line().replace(name, "crew")
        self.url = registry
        found = re.search(r"http at ([\d.:]+)", self.line)
        self.http = found[1] if found else ""

    def call(self, method: str = "who") -> int:
        """Calls by HTTP, on a connection of its own; returns the pid of who answered."""
        request = urllib.request.Request(f"http://{self.http}/say/{method}", b"", method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return int(json.load(answer))

    def entries(self, name: str) -> list[Any]:
        """Of "crew" and "crew-http", which have names of this test's own in the Consul that all share."""
        name = name.replace("crew", self.name)
        with urllib.request.urlopen(f"{self.url.replace('consul', 'http')}/v1/health/service/{name}") as answer:
            found = json.load(answer)
        assert isinstance(found, list)
        return found

    def check(self) -> tuple[str, str]:
        """Status and output of what the shared registration says of itself, as the agent has it: the catalog, like
        Consul's, hears of another output some minutes later, as long as the status is the same."""
        with urllib.request.urlopen(f"{self.url.replace('consul', 'http')}/v1/agent/checks") as answer:
            checks = json.load(answer).values()
        [check] = [each for each in checks if (each["ServiceName"], each["Name"]) == (f"{self.name}-http", "self")]
        return check["Status"], check["Output"]

    def pids(self) -> set[int]:
        return workers_of(self.process.process.pid)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        self.process.wait_for(condition)


def workers_of(parent: int) -> set[int]:
    found = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    return set(map(int, found))


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


@pytest.fixture
def name() -> str:
    return f"crew-{secrets.token_hex(4)}"


@pytest.fixture
def source(muster: Command, name: str) -> Callable[[str], None]:
    """Writes the service's module."""

    def write(text: str) -> None:
        (muster.directory / "crew.py").write_text(text.replace("NAME", name))

    return write


@pytest.fixture
def run(muster: Command, consul_server: str, name: str, source: Source) -> Run:
    """Runs workers of crew.py, which may be rewritten."""
    source(SERVICE)

    @contextmanager
    def start(*options: str) -> Iterator[Crew]:
        with muster.staying("run", "crew:service", *options, MUSTER_REGISTRY=consul_server) as process:
            crew = Crew(process, consul_server, name)
            try:
                yield crew
            finally:
                if process.process.poll() is None:
                    process.end(signal.SIGTERM)

    return start


Source = Callable[[str], None]
Run = Callable[..., AbstractContextManager[Crew]]


def test_they_share_one_address_and_one_registration_and_leave_nothing(run: Run) -> None:
    with run("--workers", "3") as crew:
        assert re.match(r"crew: 3 workers, http at [\d.:]+ \(crew-http-\w+\) as crew-http, grpc at ", crew.line)
        pids = crew.pids()
        assert len(pids) == 3
        assert [crew.call() for _ in range(6)] == [*(order := [crew.call() for _ in range(3)]), *order]
        assert set(order) == pids
        crew.wait_for(lambda: (len(crew.entries("crew-http")), len(crew.entries("crew"))) == (1, 3))
        [shared] = crew.entries("crew-http")
        grpc = crew.entries("crew")
        assert len({entry["Service"]["Port"] for entry in grpc}) == 3
        health = f"http://{crew.http}/health/"
        for _ in range(3):
            with urllib.request.urlopen(health + shared["Service"]["ID"]) as answer:
                assert answer.status == 200
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(health + grpc[0]["Service"]["ID"])
        crew.wait_for(lambda: crew.check() == ("passing", "3 of 3 workers serve"))
        with ThreadPoolExecutor() as thread:
            under_way = thread.submit(crew.call, "slow")
            crew.process.said("slow was called")
            assert crew.process.end() == 0
            assert under_way.result() in pids
        assert crew.entries("crew-http") == crew.entries("crew") == []
        assert not any(map(lives, pids))


def test_who_is_killed_is_replaced_and_all_that_are_killed_are_critical(run: Run) -> None:
    with run("--workers", "2") as crew:
        before = crew.pids()
        crew.wait_for(lambda: len(crew.entries("crew")) == 2)
        ids = {entry["Service"]["ID"] for entry in crew.entries("crew")}
        os.kill(min(before), signal.SIGKILL)
        crew.wait_for(lambda: "1 of 2 workers serve" in crew.check()[1])
        assert crew.check()[0] == "passing"
        assert {crew.call() for _ in range(4)} == {max(before)}
        crew.wait_for(lambda: "2 of 2 workers serve" in crew.check()[1])
        assert crew.pids() & before == {max(before)}
        crew.wait_for(lambda: len(crew.entries("crew")) == 2)
        assert len(ids & {entry["Service"]["ID"] for entry in crew.entries("crew")}) == 1
        crew.process.said("killed by SIGKILL")
        for pid in crew.pids():
            os.kill(pid, signal.SIGKILL)
        crew.wait_for(lambda: crew.check() == ("critical", "0 of 2 workers serve"))
        crew.wait_for(lambda: crew.check() == ("passing", "2 of 2 workers serve"))


def test_one_that_hangs_is_replaced_and_what_it_has_started_ends_with_all(run: Run, source: Source) -> None:
    start = "import subprocess\nprint('sleeper', subprocess.Popen(['sleep', '600']).pid, file=sys.stderr)\n"
    source(SERVICE + start)
    with run("--workers", "2", "--hung-after", "3") as crew:
        before = crew.pids()
        with pytest.raises((urllib.error.URLError, ConnectionError)):
            crew.call("hang")
        crew.process.said("no sign of life for 3 s")
        sleepers = [int(line.split()[1]) for line in crew.process.err.splitlines() if line.startswith("sleeper")]
        crew.wait_for(lambda: len(crew.pids() - before - {*sleepers}) == 1 and "2 of 2 workers" in crew.check()[1])
        assert crew.process.end() == 0
        assert len(sleepers) >= 2 and not any(map(lives, sleepers))


async def _load(crew: Crew, seen: dict[str, set[int]], over: asyncio.Event) -> None:
    """Calls by both protocols until it is over; any failure is raised. `seen`: who answered, by way of calling."""

    async def plain(session: aiohttp.ClientSession, method: str) -> int:
        async with session.post(f"http://{crew.http}/say/{method}") as answer:
            assert answer.status == 200
            return int(await answer.json())

    async def go_on(kind: str, call: Callable[[], Any]) -> None:
        while not over.is_set():
            seen[kind].add(await call())
            await asyncio.sleep(0.005)

    async with library.Client(crew.url) as client, aiohttp.ClientSession() as session, asyncio.TaskGroup() as tasks:
        for _ in range(4):
            tasks.create_task(go_on("plain", lambda: plain(session, "who")))
            tasks.create_task(go_on("plain", lambda: plain(session, "slow")))
            tasks.create_task(go_on("grpc", lambda: client.call(crew.name, "Say.Who")))
            tasks.create_task(go_on("http", lambda: client.call(f"{crew.name}-http", "Say.Who")))


@pytest.mark.anyio
async def test_a_reload_under_load_fails_no_call(run: Run, source: Source) -> None:
    with run("--workers", "2") as crew:
        over, before = asyncio.Event(), crew.pids()
        seen: dict[str, set[int]] = {"plain": set(), "grpc": set(), "http": set()}
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(_load(crew, seen, over))
            await asyncio.to_thread(crew.wait_for, lambda: all(pids & before for pids in seen.values()))
            source(SERVICE.replace('"1"', '"2"'))
            crew.process.process.send_signal(signal.SIGHUP)
            await asyncio.to_thread(crew.wait_for, lambda: len(crew.pids()) == 2 and not crew.pids() & before)
            after = crew.pids()
            await asyncio.to_thread(
                crew.wait_for, lambda: {e["Service"]["Meta"]["version"] for e in crew.entries("crew-http")} == {"2"}
            )
            await asyncio.to_thread(crew.wait_for, lambda: all(pids & after for pids in seen.values()))
            over.set()


def test_a_reload_that_fails_leaves_those_who_serve(run: Run, source: Source) -> None:
    with run("--workers", "2") as crew:
        before = crew.pids()
        source("raise RuntimeError('half done')\n")
        crew.process.process.send_signal(signal.SIGHUP)
        crew.process.said("reloading has failed, the workers that serve stay: importing crew failed: RuntimeError")
        assert {crew.call(), crew.call()} == before
        source(SERVICE.replace("NAME", "another"))
        crew.process.process.send_signal(signal.SIGHUP)
        crew.process.said(f"it was '{crew.name}-http' at 127.0.0.1:0 and would be 'another-http' at 127.0.0.1:0")
        assert {crew.call(), crew.call()} == before


@pytest.mark.parametrize(
    ("text", "status", "error"),
    [
        ("service = 1", 2, "crew:service is no muster.Service but an int"),
        ("import os; os._exit(3)", 1, "every worker ended before it served"),
        (
            "import muster\nservice = muster.Service('crew', registry='memory://x')",
            1,
            "the registry is memory://x, which each process has to itself: several workers need",
        ),
    ],
)
def test_a_start_that_fails_is_one_error(
    muster: Command, nobody: str, source: Source, text: str, status: int, error: str
) -> None:
    source(text)
    done = muster("--log", "error", "run", "crew:service", "--workers", "1", MUSTER_REGISTRY=nobody)
    assert (done.status, done.out) == (status, "")
    assert done.error.startswith(error)


def test_a_second_signal_cuts_the_stop_short(run: Run, source: Source) -> None:
    source(SERVICE.replace("drain=0.3, stop=3.0", "drain=20, stop=25"))
    with run("--workers", "2") as crew:
        pids = crew.pids()
        crew.process.process.send_signal(signal.SIGTERM)
        crew.process.said("draining")
        began = time.monotonic()
        assert crew.process.end(signal.SIGINT) == 0
        assert time.monotonic() - began < 5
        assert not any(map(lives, pids))
        assert crew.entries("crew-http") == crew.entries("crew") == []


def test_workers_end_when_the_parent_is_killed(run: Run) -> None:
    with run("--workers", "2") as crew:
        pids = crew.pids()
        os.kill(crew.process.process.pid, signal.SIGKILL)
        crew.process.process.wait()
        crew.wait_for(lambda: not any(map(lives, pids)))
        assert crew.entries("crew") == crew.entries("crew-http") == []


def test_reload_for_development(run: Run, source: Source) -> None:
    with run("--reload") as crew:
        first = crew.call()
        source("def broken(:\n")
        crew.process.said("changed: crew.py")
        crew.process.said("SyntaxError")
        source(SERVICE)
        assert crew.call() != first  # waits in the kernel until somebody serves
        assert crew.process.end(signal.SIGINT) == 0
        assert crew.entries("crew-http") == []


def test_one_process_says_where_it_listens(run: Run) -> None:
    with run() as crew:
        grpc = r"grpc at 127\.0\.0\.1:\d+ \(crew-\w{12}\)"
        http = r"http at 127\.0\.0\.1:\d+ \(crew-http-\w{12}\) as crew-http"
        assert re.fullmatch(
            rf"crew: {grpc}, {http}; registry consul://127\.0\.0\.1:\d+  \(Ctrl-C ends it\)\n", crew.line
        )
        assert crew.call() == crew.process.process.pid
