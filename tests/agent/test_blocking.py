"""Blocking queries: what waits, what wakes, and what is left behind."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from muster.agent.blocking import (
    Found,
    Patience,
    TooManyWaiting,
    Waiters,
    Waiting,
    Woken,
    must_wait,
    resolve,
    wait_seconds,
)

pytestmark = pytest.mark.anyio

WEB = ("health", "web")
DB = ("health", "db")
SOON = 30.0


async def never() -> None:
    await asyncio.Event().wait()


class Table:
    """Something to ask: an index that the test moves."""

    def __init__(self) -> None:
        self.index = 10
        self.asked = 0

    def ask(self) -> Found[int]:
        self.asked += 1
        return Found(self.index, (WEB,), lambda: self.index)


@pytest.mark.parametrize(
    ("known", "present", "waits"),
    [(0, 10, False), (9, 10, False), (10, 10, True), (11, 10, True), (10, 11, False)],
)
def test_the_present_index_waits_and_so_does_a_future_one(known: int, present: int, waits: bool) -> None:
    assert must_wait(known, present) is waits


@pytest.mark.parametrize(("wanted", "least"), [(0.0, 300.0), (-1.0, 300.0), (10.0, 10.0), (9999.0, 600.0)])
def test_a_wait_has_a_default_a_cap_and_jitter(wanted: float, least: float) -> None:
    waits = {wait_seconds(wanted, Random(seed)) for seed in range(100)}
    assert len(waits) == 100
    assert least <= min(waits) and max(waits) <= least * (1 + 1 / 16)


async def test_an_answer_that_is_news_is_given_at_once() -> None:
    found = await resolve(Table().ask, Patience(9, 1.0), Waiters(0), Random(), never)
    assert found is not None and found.answer() == 10


async def test_a_change_ends_the_wait() -> None:
    table, waiters = Table(), Waiters(10)
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        task = group.create_task(resolve(table.ask, Patience(10, 60.0), waiters, Random(), never))
        await until(waiters, 1)
        waiters.wake([DB])
        table.index = 11
        waiters.wake([WEB])
        found = await task
    assert found is not None and found.index == 11
    assert table.asked == 2
    assert waiters.count == 0


async def test_a_wake_up_without_news_waits_on() -> None:
    table, waiters = Table(), Waiters(10)
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        task = group.create_task(resolve(table.ask, Patience(12, 60.0), waiters, Random(), never))
        for index in (11, 12, 13):
            await until(waiters, 1)
            table.index = index
            waiters.wake([WEB])
            await asyncio.sleep(0)
        found = await task
    assert found is not None and found.index == 13


async def test_time_ends_the_wait_with_the_present_state() -> None:
    table, waiters = Table(), Waiters(10)
    found = await resolve(table.ask, Patience(10, 0.001), waiters, Random(), never)
    assert found is not None and found.index == 10
    assert waiters.count == 0


async def test_a_client_that_leaves_frees_its_place() -> None:
    left, waiters = asyncio.Event(), Waiters(10)
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        task = group.create_task(resolve(Table().ask, Patience(10, 60.0), waiters, Random(), left.wait))
        await until(waiters, 1)
        left.set()
        assert await task is None
    assert waiters.count == 0
    waiters.wake([WEB])


async def test_a_cancelled_wait_frees_its_place() -> None:
    waiters = Waiters(10)
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        task = group.create_task(resolve(Table().ask, Patience(10, 60.0), waiters, Random(), never))
        await until(waiters, 1)
        task.cancel()
    assert waiters.count == 0


async def test_closing_answers_everybody_and_nobody_waits_again() -> None:
    table, waiters = Table(), Waiters(10)
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        tasks = [group.create_task(resolve(table.ask, Patience(10, 60.0), waiters, Random(), never)) for _ in range(3)]
        await until(waiters, 3)
        waiters.close()
        assert [found.index for found in [await task for task in tasks] if found] == [10, 10, 10]
    assert await resolve(table.ask, Patience(10, 60.0), waiters, Random(), never) is not None


async def test_who_is_dismissed_is_answered_without_news_and_others_wait_on() -> None:
    table, waiters, answers = Table(), Waiters(10), Answers()
    Waiting(table.ask, 10, waiters, answers).begin((WEB,), 60.0)
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        task = group.create_task(resolve(table.ask, Patience(10, 60.0), waiters, Random(), never))
        await until(waiters, 2)
        table.index = 5
        waiters.dismiss()
        found = await task
        await answers.come.wait()
        assert found is not None and (found.index, answers.indexes) == (5, [5])
        later = group.create_task(resolve(table.ask, Patience(10, 60.0), waiters, Random(), never))
        await until(waiters, 1)
        waiters.wake([WEB])
        await asyncio.sleep(0)
        assert not later.done()
        later.cancel()


async def test_no_more_may_wait_than_allowed() -> None:
    waiters = Waiters(1)
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        task = group.create_task(resolve(Table().ask, Patience(10, 60.0), waiters, Random(), never))
        await until(waiters, 1)
        with pytest.raises(TooManyWaiting):
            await resolve(Table().ask, Patience(10, 60.0), waiters, Random(), never)
        task.cancel()


async def test_who_waits_for_two_topics_is_woken_once() -> None:
    waiters = Waiters(10)
    loop = asyncio.get_running_loop()
    async with asyncio.TaskGroup() as group, asyncio.timeout(SOON):
        task = group.create_task(waiters.wait((WEB, DB), loop.time() + 60, never))
        await until(waiters, 1)
        waiters.wake([WEB, DB])
        waiters.wake([WEB])
        assert await task is Woken.CHANGED


class Answers:
    """What a query that waits without a task was answered."""

    def __init__(self) -> None:
        self.indexes: list[int] = []
        self.come = asyncio.Event()

    def __call__(self, found: Found[int]) -> None:
        self.indexes.append(found.index)
        self.come.set()


async def test_without_a_task_a_change_is_told_once_and_only_news_end_the_wait() -> None:
    table, waiters, answers = Table(), Waiters(10), Answers()
    waiting = Waiting(table.ask, 11, waiters, answers)
    waiting.begin((WEB,), 60.0)
    async with asyncio.timeout(SOON):
        for index in (11, 12, 13):
            table.index = index
            waiters.wake([DB, WEB])
            waiters.wake([WEB])
            assert answers.indexes in ([], [12]), "nobody is told within the write"
            for _ in range(3):
                await asyncio.sleep(0)
        await answers.come.wait()
    assert answers.indexes == [12]
    assert waiters.count == 0


async def test_without_a_task_time_ends_the_wait() -> None:
    waiters, answers = Waiters(10), Answers()
    Waiting(Table().ask, 10, waiters, answers).begin((WEB,), 0.001)
    async with asyncio.timeout(SOON):
        await answers.come.wait()
    assert (answers.indexes, waiters.count) == ([10], 0)


async def test_without_a_task_who_has_left_is_told_nothing() -> None:
    table, waiters, answers = Table(), Waiters(10), Answers()
    waiting = Waiting(table.ask, 10, waiters, answers)
    waiting.begin((WEB,), 60.0)
    table.index = 11
    waiters.wake([WEB])
    waiting.leave()
    waiting.leave()
    for _ in range(3):
        await asyncio.sleep(0)
    assert (answers.indexes, waiters.count) == ([], 0)


async def test_without_a_task_other_topics_may_come_to_matter() -> None:
    waiters, answers = Waiters(1), Answers()
    found = Found(10, (WEB,), lambda: 10)
    waiting = Waiting(lambda: found, 10, waiters, answers)
    waiting.begin(found.topics, 60.0)
    found = Found(10, (WEB, DB), lambda: 10)
    waiters.wake([WEB])
    for _ in range(3):
        await asyncio.sleep(0)
    found = Found(11, (WEB, DB), lambda: 11)
    waiters.wake([DB])
    async with asyncio.timeout(SOON):
        await answers.come.wait()
    assert (answers.indexes, waiters.count) == ([11], 0)


async def test_a_crowd_is_told_in_turns_and_all_of_it_when_the_agent_ends() -> None:
    table, waiters, answers = Table(), Waiters(1000), Answers()
    for _ in range(1000):
        Waiting(table.ask, 10, waiters, answers).begin((WEB,), 60.0)
    waiters.close()
    for _ in range(2):
        await asyncio.sleep(0)
    assert 0 < len(answers.indexes) < 500
    async with asyncio.timeout(SOON):
        while len(answers.indexes) < 1000:
            await asyncio.sleep(0)
    assert waiters.count == 0


async def until(waiters: Waiters, count: int) -> None:
    """Returns when `count` wait; the test's own timeout is the deadline."""
    while waiters.count != count:
        await asyncio.sleep(0)
