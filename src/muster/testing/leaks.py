"""What a test left behind: tasks of the running loop, and child processes."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Collection
from pathlib import Path
from typing import Any

GRACE_SECONDS = 2.0
"""What is ending when the test ends may still end: a cancelled task needs a turn of the loop, a signal some time."""


async def tasks_left(before: Collection[asyncio.Task[Any]]) -> list[asyncio.Task[Any]]:
    """The tasks of the running loop that are not in `before`, after a moment to end by themselves."""
    known = {*before, asyncio.current_task()}
    new = [task for task in asyncio.all_tasks() if task not in known and not _of_the_test_runner(task)]
    if not new:
        return []
    _, left = await asyncio.wait(new, timeout=GRACE_SECONDS)
    return sorted(left, key=lambda task: task.get_name())


def _of_the_test_runner(task: asyncio.Task[Any]) -> bool:
    """anyio's pytest plugin waits for a test or fixture in a task of its own, which outlives what it waits for."""
    return getattr(task.get_coro(), "__qualname__", "").startswith("TestRunner.")


def children() -> frozenset[int]:
    """Process ids of this process's own children, also those that ended and nobody waited for."""
    lists = list(Path("/proc/self/task").glob("*/children"))
    return _listed(lists) if lists else _children_by_ps()


def end_child(pid: int) -> None:
    """Kill a child that a test left behind, and wait for it."""
    try:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    except (ProcessLookupError, ChildProcessError):
        return


def _listed(files: Collection[Path]) -> frozenset[int]:
    pids: set[int] = set()
    for file in files:
        try:
            pids.update(map(int, file.read_text().split()))
        except (FileNotFoundError, ProcessLookupError):  # the thread has ended meanwhile
            continue
    return frozenset(pids)


def _children_by_ps() -> frozenset[int]:
    """Where there is no /proc (macOS). ps itself is a child too, and gone when it has answered."""
    with subprocess.Popen(["ps", "-A", "-o", "pid=,ppid="], stdout=subprocess.PIPE, text=True) as ps:
        text, _ = ps.communicate()
    pairs = [tuple(map(int, line.split())) for line in text.splitlines()]
    return frozenset(pid for pid, parent in pairs if parent == os.getpid() and pid != ps.pid)
