"""A slow reader sees the newest value and never holds up the writer."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from muster.watch.latest import Latest

pytestmark = pytest.mark.anyio


def test_listeners_hear_of_every_set_until_they_leave() -> None:
    latest = Latest(0)
    heard: list[int] = []
    unlisten = latest.listen(heard.append)
    latest.set(1)
    latest.set(2)
    unlisten()
    unlisten()
    latest.set(3)
    assert heard == [1, 2]


def test_a_listener_that_leaves_while_being_told_does_not_disturb_the_others() -> None:
    latest = Latest(0)
    heard: list[int] = []
    unlisten = latest.listen(lambda _: unlisten())
    latest.listen(heard.append)
    latest.set(1)
    assert heard == [1]


async def test_iteration_gives_the_value_now_and_then_only_the_newest() -> None:
    latest = Latest(0)
    seen: list[int] = []
    async with aclosing(latest.__aiter__()) as values:
        async for value in values:
            seen.append(value)
            if value == 0:
                for newer in (1, 2, 3):
                    latest.set(newer)
            if value == 3:
                break
    assert seen == [0, 3]


async def test_a_waiting_reader_is_woken() -> None:
    latest = Latest("old")

    async def read() -> str:
        async with aclosing(latest.__aiter__()) as values:
            async for value in values:
                if value != "old":
                    return value
        raise AssertionError("iteration ended")

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        reading = group.create_task(read())
        await asyncio.sleep(0)
        latest.set("new")
    assert reading.result() == "new"
