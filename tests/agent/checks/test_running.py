"""Checks that run: on real sockets, with short intervals."""

from __future__ import annotations

import asyncio
import time
from random import Random

import pytest
from tests.agent.checks.listening import SOON, listening

from muster.agent.checks import tcp
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.running import RunningChecks
from muster.agent.checks.state import Result
from muster.model.check import Health

pytestmark = pytest.mark.anyio


class Heard:
    """Collects what running checks report, and lets a test wait for it."""

    def __init__(self) -> None:
        self.results: asyncio.Queue[tuple[str, Result]] = asyncio.Queue()
        self.silent: asyncio.Queue[str] = asyncio.Queue()

    def running(self) -> RunningChecks:
        return RunningChecks(
            lambda check_id, result: self.results.put_nowait((check_id, result)),
            self.silent.put_nowait,
            shortest_interval=0.01,
            rng=Random(1),
        )


async def test_a_check_looks_again_and_again_until_it_is_stopped() -> None:
    heard = Heard()
    async with heard.running() as running, asyncio.timeout(SOON):
        async with listening(lambda _: b"") as address:
            running.start("c", CheckDefinition(Kind.TCP, address, interval=0.01))
            assert (await heard.results.get())[1].health is Health.PASSING
        while (await heard.results.get())[1].health is not Health.CRITICAL:
            pass
        assert (running.monitors, running.countdowns) == (1, 0)
        running.stop("c")
        running.stop("c")
        assert running.monitors == 0


async def test_a_ttl_check_falls_silent_unless_renewed() -> None:
    heard = Heard()
    async with heard.running() as running, asyncio.timeout(SOON):
        running.start("c", CheckDefinition(Kind.TTL, ttl=0.05))
        assert await heard.silent.get() == "c"
        assert heard.silent.empty()
        assert running.renew("c")
        assert await heard.silent.get() == "c"
        assert not running.renew("other")


async def test_a_check_that_is_started_again_has_its_time_anew() -> None:
    heard, loop = Heard(), asyncio.get_running_loop()
    async with heard.running() as running, asyncio.timeout(SOON):
        running.start("c", CheckDefinition(Kind.TTL, ttl=0.02))
        running.start("c", CheckDefinition(Kind.TTL, ttl=0.2))
        begun = loop.time()
        await heard.silent.get()
        assert loop.time() - begun >= 0.19


async def test_a_fault_of_a_look_is_a_critical_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(definition: CheckDefinition) -> Result:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(tcp, "look", broken)
    heard = Heard()
    async with heard.running() as running, asyncio.timeout(SOON):
        running.start("c", CheckDefinition(Kind.TCP, "127.0.0.1:1", interval=0.01))
        _, result = await heard.results.get()
    assert result.health is Health.CRITICAL and "oops" in result.output


async def test_checks_that_were_late_together_do_not_look_together_from_then_on() -> None:
    heard, count, interval = Heard(), 40, 0.3
    async with listening(lambda _: b"") as address, heard.running() as running, asyncio.timeout(SOON):
        for number in range(count):
            running.start(str(number), CheckDefinition(Kind.TCP, address, interval=interval))
        for _ in range(count):
            await heard.results.get()
        time.sleep(2 * interval)
        while not heard.results.empty():
            heard.results.get_nowait()
        begun = asyncio.get_running_loop().time()
        times = []
        for _ in range(count):
            await heard.results.get()
            times.append(asyncio.get_running_loop().time() - begun)
    assert sum(at < interval / 6 for at in times) < count / 2
