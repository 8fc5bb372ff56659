"""Calls under way, counted."""

from __future__ import annotations

import asyncio

import pytest

from muster.grpc.slots import Slots


def test_giving_back_after_nobody_waits_any_more() -> None:
    """A handler that was left behind at the end of a run returns when the event loop is closed."""

    async def stop() -> None:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0):
                await slots.emptied()

    slots = Slots(1)
    assert slots.take()
    asyncio.run(stop())
    slots.give_back()
    assert slots.taken == 0


def test_whoever_waits_hears_of_the_last_call() -> None:
    async def stop() -> None:
        async with asyncio.TaskGroup() as tasks:
            waiting = tasks.create_task(slots.emptied())
            await asyncio.sleep(0)
            slots.give_back()
            assert not waiting.done()
            slots.give_back()

    slots = Slots(None)
    assert slots.take() and slots.take()
    asyncio.run(stop())
