"""uvloop only where the processes that a service starts are safe from gRPC's fork handlers; and an end in any case."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from contextlib import suppress

import pytest

from muster.serve import loop
from muster.serve.loop import loop_factory


@pytest.mark.parametrize("environ", [{}, {"GRPC_ENABLE_FORK_SUPPORT": "1"}, {"GRPC_ENABLE_FORK_SUPPORT": ""}])
def test_asyncios_own_loop_unless_forks_are_none_of_grpcs_business(environ: dict[str, str]) -> None:
    assert loop_factory(environ) is None


@pytest.mark.parametrize("off", ["0", "false", "False"])
def test_uvloop_where_it_is_asked_for(off: str) -> None:
    new_event_loop = pytest.importorskip("uvloop").new_event_loop
    assert loop_factory({"GRPC_ENABLE_FORK_SUPPORT": off}) is new_event_loop


async def stubborn() -> None:
    while True:
        with suppress(asyncio.CancelledError):
            await asyncio.sleep(3600)


def test_what_does_not_heed_that_it_is_cancelled_holds_nothing_up(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(loop, "CANCEL_LIMIT", 0.01)
    tasks: list[asyncio.Task[None]] = []

    async def main() -> None:
        tasks.append(asyncio.create_task(stubborn()))
        await asyncio.sleep(0)

    loop.run(main())
    assert not tasks[0].done()
    assert "left behind, since they go on although they were cancelled: stubborn" in caplog.text


def test_other_tasks_are_cancelled_and_waited_for() -> None:
    ended: list[str] = []

    async def closing() -> None:
        try:
            await asyncio.sleep(3600)
        finally:
            await asyncio.sleep(0)
            ended.append("closed")

    async def main() -> None:
        tasks.add(asyncio.create_task(closing()))
        await asyncio.sleep(0)
        raise LookupError("what main raises comes out")

    tasks: set[asyncio.Task[None]] = set()
    with pytest.raises(LookupError, match="comes out"):
        loop.run(main())
    assert ended == ["closed"]


def test_a_coroutine_that_heeds_nothing_at_all_is_let_be() -> None:
    """Python would throw GeneratorExit into it as long as nobody refers to it, and it would never come to an end."""
    program = """
import asyncio
from muster.serve import loop

async def stubborn():
    while True:
        try:
            await asyncio.sleep(3600)
        except:
            pass

async def main():
    tasks.add(asyncio.create_task(stubborn()))
    await asyncio.sleep(0)

tasks = set()
loop.CANCEL_LIMIT = 0.01
loop.run(main())
tasks.clear()
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=30, check=True)
    assert done.stderr.splitlines() == [
        "left behind, since they go on although they were cancelled: stubborn",
    ]


def test_work_on_threads_is_not_waited_for() -> None:
    begun, release = threading.Event(), threading.Event()

    def work() -> None:
        begun.set()
        release.wait()

    async def main() -> None:
        tasks.add(asyncio.create_task(asyncio.to_thread(work)))
        while not begun.is_set():
            await asyncio.sleep(0)

    tasks: set[asyncio.Task[None]] = set()
    try:
        loop.run(main())
    finally:
        release.set()
