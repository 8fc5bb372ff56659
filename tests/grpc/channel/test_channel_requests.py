"""The log of a streaming call's requests, its reader and its writers."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from muster.grpc.requests import KEPT, LAST_WORD, Requests

pytestmark = pytest.mark.anyio


async def take(reader: AsyncIterator[int], count: int) -> list[int]:
    return [await anext(reader) for _ in range(count)]


async def written(requests: Requests[int], *numbers: int) -> None:
    for number in numbers:
        await requests.write(number)


async def test_a_writer_waits_until_its_request_is_taken() -> None:
    requests: Requests[int] = Requests()
    reader = requests.read()
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(requests.write(1))
        assert await anext(reader) == 1
        await asyncio.sleep(0)
        assert not writing.done()
        reading = group.create_task(anext(reader))
        assert await writing
        group.create_task(requests.write(2))
        assert await reading == 2
        requests.stop()


async def test_a_new_reader_starts_over_and_ends_the_old_one() -> None:
    requests: Requests[int] = Requests()
    async with asyncio.TaskGroup() as group:
        group.create_task(written(requests, 1, 2, 3))
        old = requests.read()
        assert await take(old, 2) == [1, 2]
        new = requests.read()
        assert await take(new, 3) == [1, 2, 3]
        with pytest.raises(StopAsyncIteration):
            await anext(old)
        requests.close()
        with pytest.raises(StopAsyncIteration):
            await anext(new)


async def test_few_requests_are_kept() -> None:
    requests: Requests[int] = Requests()
    async with asyncio.TaskGroup() as group:
        group.create_task(written(requests, *range(KEPT + 2)))
        reader = requests.read()
        await take(reader, KEPT + 1)
        assert requests.repeatable
        await take(reader, 1)
        assert not requests.repeatable
        requests.stop()


async def test_what_is_committed_is_not_kept() -> None:
    requests: Requests[int] = Requests()
    async with asyncio.TaskGroup() as group:
        group.create_task(written(requests, 1, 2))
        reader = requests.read()
        await take(reader, 2)
        requests.commit()
        assert not requests.repeatable
        requests.stop()


async def test_stopping_ends_reader_and_writer() -> None:
    requests: Requests[int] = Requests()
    reader = requests.read()
    async with asyncio.TaskGroup() as group:
        reading = group.create_task(anext(reader, None))
        await asyncio.sleep(0)
        requests.stop()
        assert await reading is None
    assert not await requests.write(1)


async def passes(seconds: float) -> None:
    """Timers fire in the order of their times, so those that were set before for this long have fired."""
    over = asyncio.Event()
    asyncio.get_running_loop().call_later(seconds, over.set)
    await over.wait()


async def test_a_reader_that_fails_and_is_not_replaced_was_the_last() -> None:
    requests: Requests[int] = Requests()
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(requests.write(1))
        await take(requests.read(), 1)
        requests.fail()
        assert not requests.stopped
        assert not await writing
    assert requests.stopped
    assert not requests.repeatable


async def test_a_reader_that_fails_and_is_replaced_was_not_the_last() -> None:
    requests: Requests[int] = Requests()
    async with asyncio.TaskGroup() as group:
        group.create_task(written(requests, 1, 2))
        await take(requests.read(), 1)
        requests.fail()
        again = requests.read()
        assert await take(again, 1) == [1]
        await passes(LAST_WORD)
        assert await take(again, 1) == [2]
        requests.stop()


async def test_a_reader_that_fails_after_too_many_was_the_last() -> None:
    requests: Requests[int] = Requests()
    async with asyncio.TaskGroup() as group:
        writing = group.create_task(written(requests, *range(KEPT + 2)))
        await take(requests.read(), KEPT + 2)
        requests.fail()
        assert requests.stopped
        await writing
