"""The loop in the background, and threads that step into it."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import AsyncIterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager

import pytest

from muster.client.background import background


@asynccontextmanager
async def nothing() -> AsyncIterator[str]:
    yield "entered"


async def loop_now() -> asyncio.AbstractEventLoop:
    return asyncio.get_running_loop()


def test_there_is_one_a_process() -> None:
    assert background() is background()


def test_the_loop_stands_still_while_a_thread_is_inside() -> None:
    loop, counted = background(), [0]

    def count() -> None:
        counted[0] += 1

    with loop.inside:
        loop.call(count)
        time.sleep(0.05)
        assert counted == [0]
    opened = loop.open(nothing())
    opened.run(asyncio.sleep(0))
    opened.close()
    assert counted == [1]


def test_threads_exclude_each_other() -> None:
    """Far more than a switch interval of work in each turn."""
    loop, within, most = background(), [0], [0]

    def turn(_: int) -> None:
        within[0] += 1
        most[0] = max(most[0], within[0])
        sum(range(1000))
        within[0] -= 1

    def inside(number: int) -> None:
        with loop.inside:
            turn(number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: loop.do(turn, number) if number % 2 else inside(number), range(2000)))
    assert most == [1]


def test_within_its_loop_is_the_one_that_runs() -> None:
    loop = background()
    opened = loop.open(nothing())
    ours = opened.run(loop_now())
    opened.close()
    with loop.inside:
        assert asyncio.get_running_loop() is ours
        with loop.inside:
            assert asyncio.get_running_loop() is ours
    assert loop.do(lambda _: asyncio.get_running_loop(), None) is ours
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_what_is_scheduled_inside_happens_at_once() -> None:
    """The loop may have been about to sleep for long."""
    loop = background()
    called, waited = threading.Event(), threading.Event()
    time.sleep(0.02)
    with loop.inside:
        running = asyncio.get_running_loop()
        running.call_soon(called.set)
        running.call_later(0.01, waited.set)
    assert called.wait(2) and waited.wait(2)


def test_afterwards_is_outside_and_never_on_the_loops_own_thread() -> None:
    loop, seen = background(), []
    with loop.inside:
        loop.after(lambda: seen.append(loop._lock._is_owned()))
        assert not seen
    assert seen == [False]
    done = threading.Event()
    threads: list[str] = []
    loop.call(lambda: loop.after(lambda: [threads.append(threading.current_thread().name), done.set()]))
    assert done.wait(30) and threads != ["muster"]


def test_what_is_opened_is_left_when_it_is_closed() -> None:
    told: list[str] = []

    @asynccontextmanager
    async def manager() -> AsyncIterator[int]:
        told.append("in")
        yield 1
        told.append("out")

    opened = background().open(manager())
    assert opened.value == 1 and told == ["in"]
    opened.close()
    assert told == ["in", "out"]


def test_an_error_of_entering_and_one_of_leaving() -> None:
    @asynccontextmanager
    async def never() -> AsyncIterator[None]:
        raise ZeroDivisionError
        yield

    @asynccontextmanager
    async def badly() -> AsyncIterator[None]:
        yield
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        background().open(never())
    opened = background().open(badly())
    with pytest.raises(ZeroDivisionError):
        opened.close()


def test_what_ends_by_itself_is_told_of(caplog: pytest.LogCaptureFixture) -> None:
    @asynccontextmanager
    async def failing() -> AsyncIterator[None]:
        async with asyncio.TaskGroup() as group:
            group.create_task(fail())
            yield

    async def fail() -> None:
        raise ZeroDivisionError

    with caplog.at_level(logging.ERROR, "muster.background"):
        opened = background().open(failing())
        assert opened._ended.exception(5) is not None
        with pytest.raises(ExceptionGroup):
            opened.close()
    assert "ended by itself" in caplog.text


def test_closing_cancels_whoever_waits() -> None:
    opened = background().open(nothing())
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(opened.run, asyncio.sleep(60))
        while not opened._running:
            time.sleep(0.001)
        opened.close()
        with pytest.raises(RuntimeError, match="closed meanwhile"):
            waiting.result(30)


def test_a_fork_waits_for_who_is_occupied_but_not_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = background()
    loop.enter()
    with ThreadPoolExecutor(2) as threads:
        pausing = threads.submit(lambda: [loop.pause(), loop.resume()])
        while not loop._forking:
            time.sleep(0.001)
        newcomer = threads.submit(loop.enter)
        time.sleep(0.02)
        assert not pausing.done() and not newcomer.done()
        loop.leave()
        assert pausing.result(30)[0] is True
        newcomer.result(30)
        monkeypatch.setattr("muster.client.background.PATIENCE", 0.01)
        assert threads.submit(lambda: [loop.pause(), loop.resume()]).result(30)[0] is False
    loop.leave()


def test_a_child_has_a_loop_of_its_own() -> None:
    """The child does no more than to look: pytest is not made for forks."""
    loop = background()
    child = os.fork()
    if not child:
        try:
            right = loop.abandoned and background() is not loop and not background().abandoned
            with loop.inside:
                pass
            os._exit(0 if right else 1)
        finally:
            os._exit(2)
    _, status = os.waitpid(child, 0)
    assert os.waitstatus_to_exitcode(status) == 0
    assert not loop.abandoned and background() is loop
