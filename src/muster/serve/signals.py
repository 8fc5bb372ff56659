"""SIGTERM and its like."""

from __future__ import annotations

import asyncio
import logging
import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager

from muster.model.errors import Rejected

log = logging.getLogger("muster.serve")

STOPPING = (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT)
"""Orchestrators send SIGTERM, terminals SIGINT; SIGQUIT means "drain" to those who know it from nginx."""


async def until_signalled(running: AbstractAsyncContextManager[object], stopping: asyncio.Event | None = None) -> None:
    """Be inside `running` until the first stopping signal, or until `stopping` is set, then leave it. A signal while it
    is being entered or left cancels that, and this returns. Raises what `running` raises, and Rejected outside the main
    thread."""
    task = asyncio.current_task()
    assert task is not None
    inside, stopping, cancelled = False, stopping or asyncio.Event(), False

    def stop() -> None:
        nonlocal cancelled
        if inside and not stopping.is_set():
            # Not cancelled: a stop runs better in a task that is not being cancelled (see `within`).
            stopping.set()
        else:
            cancelled = True
            task.cancel()

    with on_signals(stop):
        try:
            async with running:
                inside = True
                await stopping.wait()
        except asyncio.CancelledError:
            if not cancelled:
                raise


@contextmanager
def on_signals(stop: Callable[[], object]) -> Iterator[None]:
    """Call `stop` on the event loop at every stopping signal; afterwards signals do what they did before.

    Raises Rejected outside the main thread, which alone may handle signals in Python.
    """
    if threading.current_thread() is not threading.main_thread():
        raise Rejected("run() handles signals and needs the main thread: use 'await service.serve()' in this one")
    with _handling(STOPPING, lambda number: _received(number, stop)):
        yield


PASSED_ON = (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGWINCH)
"""What programs are told by signals: to read their configuration again, to reopen logs, whatever they make of it."""


@contextmanager
def passing_on(send: Callable[[int], None]) -> Iterator[None]:
    """Call `send` with the number of each such signal that comes; afterwards they do what they did before."""
    with _handling(PASSED_ON, send):
        yield


@contextmanager
def _handling(numbers: Iterable[signal.Signals], handle: Callable[[signal.Signals], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}
    for number in before:
        loop.add_signal_handler(number, handle, number)
    try:
        yield
    finally:
        for number, handler in before.items():
            loop.remove_signal_handler(number)
            signal.signal(number, handler)


def _received(number: signal.Signals, stop: Callable[[], object]) -> None:
    log.info("%s received", number.name)
    stop()
