"""Time limits that share a timer."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from muster.http.client.alarm import Alarm, Alarms

pytestmark = pytest.mark.anyio

LONG = 30.0


@contextmanager
def within(alarms: Alarms, when: float | None) -> Iterator[None]:
    """As asyncio.timeout."""
    kind: type[BaseException] | None = None
    alarm = Alarm(alarms, when)
    try:
        yield
    except BaseException as error:
        kind = type(error)
        raise
    finally:
        if alarm.disarm(kind):
            raise TimeoutError


async def test_a_wait_that_is_late_ends() -> None:
    began = time.monotonic()
    with pytest.raises(TimeoutError), within(Alarms(), began + 0.1):
        await asyncio.sleep(LONG)
    assert 0.1 <= time.monotonic() - began < LONG
    assert not asyncio.current_task().cancelling()


async def test_nothing_happens_to_who_is_in_time() -> None:
    alarms = Alarms()
    with within(alarms, time.monotonic() + 0.01):
        pass
    with within(alarms, None), pytest.raises(TimeoutError), within(alarms, time.monotonic() + 0.02):
        await asyncio.sleep(LONG)


async def test_an_error_of_the_body_goes_through() -> None:
    with pytest.raises(ValueError, match="mine"), within(Alarms(), time.monotonic() + LONG):
        raise ValueError("mine")


async def test_who_is_cancelled_by_others_is_cancelled() -> None:
    async def wait() -> None:
        with within(Alarms(), time.monotonic() + LONG):
            await asyncio.sleep(LONG)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(wait())
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_late_and_cancelled_is_cancelled() -> None:
    alarms = Alarms()

    async def wait() -> None:
        with within(alarms, time.monotonic() - 1):
            await asyncio.sleep(LONG)

    async with asyncio.TaskGroup() as group:
        task = group.create_task(wait())
        await asyncio.sleep(0)
        alarms.look()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


async def test_a_cancelled_task_may_set_one_while_it_cleans_up() -> None:
    async def clean_up() -> str:
        try:
            await asyncio.sleep(LONG)
        except asyncio.CancelledError:
            with pytest.raises(TimeoutError), within(Alarms(), time.monotonic() + 0.1):
                await asyncio.sleep(LONG)
        return "clean"

    async with asyncio.TaskGroup() as group:
        task = group.create_task(clean_up())
        await asyncio.sleep(0)
        task.cancel()
        assert await task == "clean"


async def test_many_share_the_timer() -> None:
    alarms = Alarms()

    async def wait(seconds: float) -> float:
        began = time.monotonic()
        try:
            with within(alarms, began + seconds):
                await asyncio.sleep(LONG)
        except TimeoutError:
            pass
        return time.monotonic() - began - seconds

    late = await asyncio.gather(*(wait(0.001 * number) for number in range(200)))
    assert min(late) >= 0
