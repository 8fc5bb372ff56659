"""Starting a worker: a process of its own, not a fork, with one end of a channel."""

from __future__ import annotations

import os
import signal
import socket
from collections.abc import Mapping, Sequence
from contextlib import suppress

from muster.serve.workers.channel import Channel

_DEFAULTS = [signal.SIGPIPE, signal.SIGHUP]
"""SIGPIPE is ignored by Python, SIGHUP handled by whoever reloads: a new program gets both as the system has them."""


class Process:
    """A worker's process. Reaping it is its owner's: see `muster.serve.orphans`."""

    def __init__(self, pid: int, channel: Channel) -> None:
        self.pid = pid
        self.channel = channel

    def send_signal(self, number: int) -> None:
        with suppress(ProcessLookupError):
            os.kill(self.pid, number)


def spawn(command: Sequence[str], environ: Mapping[str, str]) -> Process:
    """Start `command`, a path and arguments, to which the number of the channel's descriptor is added.

    In a session of its own: Ctrl-C in a terminal reaches the parent alone, which ends its workers in order. Raises
    OSError.
    """
    ours, theirs = socket.socketpair()
    with theirs:
        os.set_inheritable(theirs.fileno(), True)
        arguments = [*command, str(theirs.fileno())]
        try:
            pid = os.posix_spawn(command[0], arguments, dict(environ), setsid=True, setsigdef=_DEFAULTS)
        except OSError:
            ours.close()
            raise
    return Process(pid, Channel(ours))
