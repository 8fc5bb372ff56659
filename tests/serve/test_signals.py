"""Signals, sent to this process."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from muster.model.errors import Rejected
from muster.serve.signals import STOPPING, until_signalled

pytestmark = pytest.mark.anyio


class Running:
    def __init__(self) -> None:
        self.began = asyncio.Event()
        self.inside = asyncio.Event()
        self.ending = asyncio.Event()
        self.go_on = asyncio.Event()
        self.ended: type[BaseException] | str = ""

    @asynccontextmanager
    async def __call__(self, *, slow_start: bool = False, slow_stop: bool = False) -> AsyncIterator[None]:
        try:
            self.began.set()
            if slow_start:
                await self.go_on.wait()
            self.inside.set()
            yield
            self.ending.set()
            if slow_stop:
                await self.go_on.wait()
            self.ended = "in order"
        except BaseException as error:
            self.ended = type(error)
            raise


@pytest.mark.parametrize("number", STOPPING, ids=lambda number: number.name)
async def test_the_first_signal_ends_it_in_order(number: signal.Signals) -> None:
    before = [signal.getsignal(each) for each in STOPPING]
    running = Running()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(until_signalled(running()))
        await running.inside.wait()
        os.kill(os.getpid(), number)
    assert running.ended == "in order"
    assert [signal.getsignal(each) for each in STOPPING] == before


async def test_the_second_signal_cancels_the_stop() -> None:
    running = Running()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(until_signalled(running(slow_stop=True)))
        await running.inside.wait()
        os.kill(os.getpid(), signal.SIGTERM)
        await running.ending.wait()
        os.kill(os.getpid(), signal.SIGINT)
    assert running.ended is asyncio.CancelledError


async def test_a_signal_during_the_start_cancels_it() -> None:
    running = Running()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        tasks.create_task(until_signalled(running(slow_start=True)))
        await running.began.wait()
        os.kill(os.getpid(), signal.SIGTERM)
    assert running.ended is asyncio.CancelledError


async def test_being_cancelled_without_a_signal_is_no_normal_end() -> None:
    running = Running()
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(until_signalled(running()))
        await running.inside.wait()
        task.cancel()
    assert task.cancelled()


async def test_signals_need_the_main_thread() -> None:
    refused: list[Rejected] = []

    def elsewhere() -> None:
        try:
            asyncio.run(until_signalled_here())
        except Rejected as error:
            refused.append(error)

    async def until_signalled_here() -> None:
        await until_signalled(Running()())

    thread = threading.Thread(target=elsewhere)
    thread.start()
    await asyncio.to_thread(thread.join, 10)
    assert "main thread" in str(refused[0])
