"""Running a coroutine as a command, and signals."""

from __future__ import annotations

import asyncio
import os
import signal
import stat
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

T = TypeVar("T")

ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
"""Ctrl-C, a supervisor, a terminal that was closed."""


def run(main: Coroutine[Any, Any, T]) -> T:
    """Runs `main` on a new event loop, uvloop's where it is installed. Ctrl-C cancels it: KeyboardInterrupt."""
    with asyncio.Runner(loop_factory=_loop_factory()) as runner:
        return runner.run(main)


def run_with_children(main: Coroutine[Any, Any, T]) -> T:
    """The same for a `main` that starts processes while it uses gRPC: on Python's own event loop.

    That starts them by vfork, of which gRPC hears nothing; uvloop forks, and gRPC then warns that it could not prepare.
    """
    return asyncio.run(main)


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    try:
        from uvloop import new_event_loop
    except ImportError:
        return None
    return new_event_loop


def _heeded() -> None:
    """Nobody is to be told that signals are heeded."""


async def until_signalled(heeded: Callable[[], None] = _heeded, *, hung_up: Callable[[], None] | None = None) -> None:
    """Waits for the first signal that ends a server. Each asks for an orderly end, Ctrl-C too.

    The next signal finds Python's own handlers, so that a stop that takes too long can be cut short. `heeded` is called
    once signals are heeded: whoever starts the program may send one as soon as it says that it is there. With
    `hung_up`, which must not raise, SIGHUP calls it and ends nothing.
    """
    received = asyncio.Event()

    def receive(number: int) -> None:
        if number == signal.SIGHUP and hung_up is not None:
            hung_up()
        else:
            received.set()

    with _handling(receive):
        heeded()
        await received.wait()


async def until_done_or_signalled(main: Coroutine[Any, Any, int]) -> int:
    """Runs `main`, which the first signal cancels; its clean-up is not disturbed by more of them.

    Returns what `main` returns, or for the signal 128 and its number.
    """
    task = asyncio.current_task()
    assert task is not None
    received: list[int] = []

    def stop(number: int) -> None:
        received.append(number)
        if len(received) == 1:
            task.cancel()

    with _handling(stop):
        try:
            return await main
        except asyncio.CancelledError:
            if not received:
                raise
            task.uncancel()
            return status_of(received[0])


@contextmanager
def while_read() -> Iterator[None]:
    """Within it, the end of whoever reads standard output from a pipe cancels the task, and BrokenPipeError comes out:
    who writes seldom would find out only at the next line (`muster watch greeter | head -1`)."""
    task, loop, output = asyncio.current_task(), asyncio.get_running_loop(), sys.stdout.fileno()
    assert task is not None
    gone = False

    def leave() -> None:
        nonlocal gone
        gone = True
        loop.remove_reader(output)
        task.cancel()

    if not stat.S_ISFIFO(os.fstat(output).st_mode):
        yield
        return
    # A pipe's writing end becomes readable when its reading end closes, and never otherwise.
    loop.add_reader(output, leave)
    try:
        yield
    except asyncio.CancelledError:
        if not gone:
            raise
        task.uncancel()
        raise BrokenPipeError from None
    finally:
        loop.remove_reader(output)


def status_of(number: int) -> int:
    """The exit status of a program that a signal ended, as shells count it."""
    return 128 + number


@contextmanager
def _handling(receive: Callable[[int], None]) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    for number in ENDING:
        loop.add_signal_handler(number, receive, number)
    try:
        yield
    finally:
        for number in ENDING:
            loop.remove_signal_handler(number)
