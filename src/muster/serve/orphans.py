"""Child processes, and what they leave behind: reaped as they end, and ended with us.

A program that forks leaves children when it ends. On Linux they become this process's, as they would anyway under PID 1
of a container (prctl(2), PR_SET_CHILD_SUBREAPER); elsewhere only those in the program's process group are found.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

log = logging.getLogger("muster.serve")

_PR_SET_CHILD_SUBREAPER = 36

Ended = Callable[[int, int], None]
"""Called with the pid and the exit status of a child that has ended: the negative number of a signal that ended it."""


@contextmanager
def reaping(ended: Ended) -> Iterator[None]:
    """Reap every child of this process that ends meanwhile; at the end kill and reap those that are left.

    For the main thread's event loop, in a process that starts its children with os.posix_spawn: whoever else waits for
    a child here (asyncio's subprocesses, subprocess.Popen) may find it gone.
    """
    loop = asyncio.get_running_loop()
    _adopt_orphans()
    loop.add_signal_handler(signal.SIGCHLD, _reap, ended)
    try:
        yield
    finally:
        loop.remove_signal_handler(signal.SIGCHLD)
        _end_all()


def _adopt_orphans() -> None:
    if sys.platform != "linux":
        return
    if ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0:
        log.debug("this kernel does not hand over orphans: %s", os.strerror(ctypes.get_errno()))


def _reap(ended: Ended) -> None:
    with suppress(ChildProcessError):
        while (found := os.waitpid(-1, os.WNOHANG))[0]:
            pid, status = found
            ended(pid, os.waitstatus_to_exitcode(status))


def _end_all() -> None:
    """SIGKILL for every child; the orphans that this makes are children then, so until there are none."""
    count = 0
    while left := children():
        for pid in left:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)
        count += len(left)
    if count:
        log.warning("ended %s left behind", "a process that was" if count == 1 else f"{count} processes that were")


def children() -> list[int]:
    """The pids of this process's children, those that have ended and were not reaped among them; none without /proc."""
    with suppress(OSError):
        return [int(name) for name in os.listdir("/proc") if name.isdigit() and _parent(name) == os.getpid()]
    return []


def _parent(pid: str) -> int:
    """By /proc/PID/stat, where the program's name stands in parentheses and may contain anything; 0 if it has gone."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            return int(file.read().rpartition(b")")[2].split()[1])
    except (OSError, IndexError, ValueError):
        return 0
