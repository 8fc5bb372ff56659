"""The registry in memory, beyond what the conformance suite asks: time without waiting, other loops, other threads."""

from __future__ import annotations

import asyncio
import secrets
import threading
from collections.abc import AsyncIterator
from typing import Any

import pytest

from muster.model.check import CheckState, Health, TCPCheck, TTLCheck
from muster.model.errors import BadConfiguration, NotRegistered
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Absent, Answer, instances_of
from muster.registry.memory import Memory, from_url
from muster.testing.clock import VirtualTimeLoop
from muster.testing.conformance import instance
from muster.testing.watching import Watching, only, until, watching


@pytest.fixture
def memory() -> Memory:
    return Memory(f"test-{secrets.token_hex(4)}")


def virtual(test: Any) -> None:
    """Run a test on virtual time: an hour of silence takes no time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        runner.run(test)


def registration(name: str = "greeter", ttl: float = 30.0, after: float = 60.0) -> Registration:
    return Registration(instance(name), (TTLCheck("self", ttl), TCPCheck("port", "127.0.0.1:9")), after)


def healths(watch: Watching[Answer]) -> list[str]:
    return [each.health if (each := (instances_of(answer) or (None,))[0]) else "absent" for answer in watch.seen]


def test_silence_is_critical_and_then_gone(memory: Memory) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        await memory.register(registration())
        async with watching(memory, "greeter", deadline=3600.0) as watch:
            await watch.until(lambda answer: answer == Absent("greeter"))
        assert healths(watch) == ["passing", "critical", "absent"]
        assert loop.time() - started == pytest.approx(90.0)

    virtual(story())


def test_a_critical_report_is_removed_after_its_time(memory: Memory) -> None:
    async def story() -> None:
        loop = asyncio.get_running_loop()
        started = loop.time()
        written = registration(ttl=1000.0)
        await memory.register(written)
        await asyncio.sleep(10.0)
        await memory.beat(written.instance.id, CheckState("self", Health.CRITICAL, "draining"))
        await asyncio.sleep(20.0)
        await memory.beat(written.instance.id, CheckState("self", Health.CRITICAL, "still"))
        async with watching(memory, "greeter", deadline=100.0) as watch:
            await watch.until(lambda answer: answer == Absent("greeter"))
        assert loop.time() - started == pytest.approx(70.0), "counted from the first critical report"
        with pytest.raises(NotRegistered):
            await memory.beat(written.instance.id, CheckState("self", Health.PASSING))

    virtual(story())


def test_recovery_ends_the_count(memory: Memory) -> None:
    async def story() -> None:
        written = registration(ttl=30.0)
        await memory.register(written)
        for _ in range(100):
            await asyncio.sleep(29.0)
            await memory.beat(written.instance.id, CheckState("self", Health.PASSING))
            await asyncio.sleep(80.0)
            await memory.beat(written.instance.id, CheckState("self", Health.PASSING))
        assert only(await until(memory, "greeter", lambda answer: True)).health is Health.PASSING

    virtual(story())


def test_an_hour_of_heartbeats_tells_nothing_new(memory: Memory) -> None:
    async def story() -> None:
        written = registration()
        await memory.register(written)
        async with watching(memory, "greeter", deadline=4000.0) as watch, asyncio.TaskGroup() as group:
            gone = group.create_task(watch.until(lambda answer: answer == Absent("greeter")))
            for _ in range(360):
                await asyncio.sleep(10.0)
                await memory.beat(written.instance.id, CheckState("self", Health.PASSING))
            assert healths(watch) == ["passing"]
            await memory.deregister(written.instance.id)
            await gone

    virtual(story())


def test_a_loop_that_ended_with_watches_open_disturbs_no_other(memory: Memory) -> None:
    kept: list[AsyncIterator[Answer]] = []

    async def leave_a_watch_open() -> None:
        watch = memory.watch("greeter")
        assert await anext(watch) == Absent("greeter")
        kept.append(watch)

    loop = asyncio.new_event_loop()
    loop.run_until_complete(leave_a_watch_open())
    loop.close()

    async def another() -> None:
        await memory.register(registration())
        assert only(await until(memory, "greeter", lambda answer: True))

    asyncio.run(another())


def test_another_thread_sees_it_at_once(memory: Memory) -> None:
    watching_now = threading.Event()
    found: list[Instance] = []

    async def follow() -> None:
        async with watching(memory, "greeter") as watch:
            await watch.next()
            watching_now.set()
            found.append(only(await watch.next()))

    thread = threading.Thread(target=lambda: asyncio.run(follow()))
    thread.start()
    assert watching_now.wait(30)
    written = registration()
    asyncio.run(memory.register(written))
    thread.join(30)
    assert found == [written.instance]


@pytest.mark.anyio
async def test_names_are_registries() -> None:
    one, other = Memory("test-one"), from_url("memory://test-other", {})
    written = registration(f"greeter-{secrets.token_hex(4)}")
    await one.register(written)
    assert only(await until(Memory("test-one"), written.instance.service, lambda answer: True)) == written.instance
    assert await until(other, written.instance.service, lambda answer: True) == Absent(written.instance.service)
    await one.deregister(written.instance.id)


@pytest.mark.anyio
async def test_an_address_left_to_the_node_is_this_machine(memory: Memory) -> None:
    await memory.register(Registration(Instance("g-1", "greeter", "", 9000)))
    assert only(await until(memory, "greeter", lambda answer: True)).host == "127.0.0.1"


def test_urls() -> None:
    assert str(from_url("memory://", {})) == "memory://default"
    assert str(from_url("memory://x/", {})) == "memory://x"
    for url in ("memory://x/y", "memory://x?ttl=1"):
        with pytest.raises(BadConfiguration, match="a name and nothing else"):
            from_url(url, {})
