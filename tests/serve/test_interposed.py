"""Signals that are taken before the server that they are meant for."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Iterator

import pytest

from muster.serve.interposed import interposed

pytestmark = pytest.mark.anyio


@pytest.fixture
def by_signal() -> Iterator[list[int]]:
    """What a server hears that handles SIGTERM by signal.signal, as uvicorn does."""
    heard: list[int] = []
    before = signal.signal(signal.SIGTERM, lambda number, frame: heard.append(number))
    yield heard
    signal.signal(signal.SIGTERM, before)


async def test_a_handler_of_signal_hears_it_at_the_end(by_signal: list[int]) -> None:
    taken: asyncio.Queue[int] = asyncio.Queue()
    with interposed(taken.put_nowait):
        signal.raise_signal(signal.SIGTERM)
        assert await taken.get() == signal.SIGTERM
        assert by_signal == []
    assert by_signal == [signal.SIGTERM]


async def test_a_handler_of_the_event_loop_hears_it_at_the_end() -> None:
    """As hypercorn's, granian's and gunicorn's own."""
    heard, taken = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, heard.set)
    try:
        with interposed(lambda number: taken.set()):
            signal.raise_signal(signal.SIGTERM)
            await taken.wait()
            assert not heard.is_set()
        async with asyncio.timeout(30):
            await heard.wait()
    finally:
        loop.remove_signal_handler(signal.SIGTERM)


async def test_other_signals_reach_whom_they_reached() -> None:
    heard = asyncio.Event()
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGUSR1, heard.set)
    try:
        with interposed(lambda number: None):
            signal.raise_signal(signal.SIGUSR1)
            async with asyncio.timeout(30):
                await heard.wait()
    finally:
        loop.remove_signal_handler(signal.SIGUSR1)


async def test_without_a_signal_nothing_is_sent_and_all_is_as_before(by_signal: list[int]) -> None:
    handlers = signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)
    with interposed(lambda number: None):
        assert signal.getsignal(signal.SIGTERM) not in handlers
    assert (signal.getsignal(signal.SIGTERM), signal.getsignal(signal.SIGINT)) == handlers
    assert by_signal == []


async def test_two_signals_are_two_calls_and_one_is_handed_on(by_signal: list[int]) -> None:
    taken: asyncio.Queue[int] = asyncio.Queue()
    with interposed(taken.put_nowait):
        for _ in range(2):
            signal.raise_signal(signal.SIGTERM)
            await taken.get()
    assert by_signal == [signal.SIGTERM]


async def test_outside_the_main_thread_it_does_nothing() -> None:
    async def entered() -> int:
        with interposed(lambda number: None):
            return 1

    assert await asyncio.to_thread(lambda: asyncio.run(entered())) == 1
