"""Stopping signals, taken before the server that they are meant for.

A server that is not muster's closes its port at SIGTERM, while the registry still names it. So the signal is taken
first, and sent again when the registry and the clients know. How a server handles it does not matter: by signal.signal
(uvicorn) or by the event loop's descriptor for signals (hypercorn, granian, gunicorn's own ASGI worker), on any loop.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

log = logging.getLogger("muster.serve")

TAKEN = (signal.SIGTERM, signal.SIGINT)
"""SIGQUIT is left alone: to gunicorn's workers it means to stop at once."""


@contextmanager
def interposed(taken: Callable[[signal.Signals], object]) -> Iterator[None]:
    """Within it `taken` is called on the event loop at every SIGTERM and SIGINT, and the server hears nothing of it.

    At the end the server's handlers are back, and the first signal that came is sent again. To be entered once the
    server has set its handlers. Outside the main thread, which alone may handle signals in Python, it does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        log.info("the server does not run in the main thread: no signal tells when it is about to stop")
        yield
        return
    came: list[int] = []

    def take(number: int) -> None:
        came.append(number)
        log.info("%s received", signal.Signals(number).name)
        taken(signal.Signals(number))

    try:
        with _wakeups(take):
            yield
    finally:
        if came:
            signal.raise_signal(came[0])


@contextmanager
def _wakeups(take: Callable[[int], None]) -> Iterator[None]:
    """Handlers and the descriptor that a signal's number is written to, both exchanged for ours."""
    numbers = [number for number in TAKEN if signal.getsignal(number) is not signal.SIG_IGN]
    reading, writing = socket.socketpair()
    reading.setblocking(False)
    writing.setblocking(False)
    with reading, writing:
        before: dict[int, Any] = {number: signal.getsignal(number) or signal.SIG_DFL for number in numbers}
        for number in numbers:
            signal.signal(number, _nothing)
        theirs = signal.set_wakeup_fd(writing.fileno(), warn_on_full_buffer=False)
        loop = asyncio.get_running_loop()
        loop.add_reader(reading, _sort, reading, theirs, numbers, take)
        try:
            yield
        finally:
            loop.remove_reader(reading)
            signal.set_wakeup_fd(theirs)
            for number in numbers:
                signal.signal(number, before[number])
            _sort(reading, theirs, numbers, take)


def _sort(reading: socket.socket, theirs: int, ours: list[signal.Signals], take: Callable[[int], None]) -> None:
    """Take what is ours, and hand on the rest as the kernel would have."""
    try:
        came = reading.recv(4096)
    except BlockingIOError:
        return
    for number in came:
        if number in ours:
            take(number)
        elif theirs != -1:
            os.write(theirs, bytes([number]))


def _nothing(number: int, frame: object) -> None:
    """Not SIG_IGN: the kernel would drop the signal, and its number would not be written."""
