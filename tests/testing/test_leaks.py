"""The leak check itself: it finds what is left, and only that."""

from __future__ import annotations

import asyncio
import subprocess
import sys

import pytest

from muster.testing.leaks import children, end_child, tasks_left

pytestmark = pytest.mark.anyio


async def test_a_task_that_goes_on_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.testing.leaks.GRACE_SECONDS", 0.01)
    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as group:
        task = group.create_task(asyncio.Event().wait())
        assert await tasks_left(before) == [task]
        task.cancel()
    assert await tasks_left(before) == []


async def test_a_task_that_is_ending_is_no_leak() -> None:
    before = asyncio.all_tasks()
    async with asyncio.TaskGroup() as group:
        group.create_task(asyncio.sleep(0))
        assert await tasks_left(before) == []


def test_a_child_process_is_found_and_ended() -> None:
    before = children()
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    try:
        assert children() - before == {child.pid}
    finally:
        end_child(child.pid)
    assert children() == before
    child.communicate()


def test_ending_a_child_that_has_gone_is_fine() -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    end_child(child.pid)
