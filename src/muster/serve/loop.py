"""The event loop to run on, and its end."""

from __future__ import annotations

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Coroutine, Mapping
from typing import Any

log = logging.getLogger("muster.serve")

FORK_SUPPORT = "GRPC_ENABLE_FORK_SUPPORT"

CANCEL_LIMIT = 0.5
"""Seconds that tasks have to end in once `main` is over, and they are cancelled."""


def run(main: Coroutine[Any, Any, object]) -> None:
    """Run `main` on a loop of `loop_factory`, cancel what else still runs there, and close it.

    Raises what `main` raises. asyncio's own run waits without end for tasks that do not heed that they are cancelled,
    and for what they run on threads (asyncio.to_thread), and a service with such a handler would never end. Here they
    are left behind, and logged. For the main thread, with no event loop running.
    """
    runner = asyncio.Runner(loop_factory=loop_factory())
    try:
        runner.run(_to_the_end(main))
    finally:
        runner.get_loop().close()  # the runner's own close would wait for them


async def _to_the_end(main: Coroutine[Any, Any, object]) -> None:
    try:
        await main
    finally:
        await asyncio.get_running_loop().shutdown_asyncgens()
        if going_on := await _cancelled():
            what = ", ".join(sorted(map(_what, going_on)))
            log.error("left behind, since they go on although they were cancelled: %s", what)
            _hold(going_on)


async def _cancelled() -> set[asyncio.Task[Any]]:
    """Cancels all other tasks; returns those that go on."""
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    if not others:
        return others
    _, going_on = await asyncio.wait(others, timeout=CANCEL_LIMIT)
    return going_on


def _hold(tasks: set[asyncio.Task[Any]]) -> None:
    """Keep tasks as they are for as long as the process lives, by a thread that waits for nothing.

    Python throws GeneratorExit into a coroutine that nobody refers to any more. One that heeds nothing (a bare except
    within a loop) would then go round for ever, on a loop that is closed, and others complain on standard error.
    """
    threading.Thread(target=lambda held: threading.Event().wait(), args=(tasks,), daemon=True).start()


def _what(task: asyncio.Task[Any]) -> str:
    return getattr(task.get_coro(), "__qualname__", task.get_name())


def loop_factory(environ: Mapping[str, str] = os.environ) -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where it is installed and can do no harm, else asyncio's own.

    A gRPC server needs about 15 % less CPU a call on uvloop. But uvloop starts child processes by fork, where asyncio
    uses vfork, and gRPC's fork handlers then run in the child: of 150 children that a busy server started, 3 crashed
    before they had begun (grpcio 1.85, uvloop 0.23); none with GRPC_ENABLE_FORK_SUPPORT=false in the environment,
    which has to be there before grpc is imported. So that variable is what asks for uvloop.
    """
    if environ.get(FORK_SUPPORT, "").lower() not in ("0", "false"):
        return None
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop
