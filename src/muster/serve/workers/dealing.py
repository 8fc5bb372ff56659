"""One port for several processes: the parent takes the connections, and gives each worker its turn.

Measured, 16 connections that come at once, 2 and 4 workers, how many each gets:

    all accept from one socket                  16 and 0            7 4 3 2, or 11 3 2 0
    the same, one accept a turn of the loop     9 and 7 to 14 and 2         14 1 1 0
    a socket each, by SO_REUSEPORT              9 and 7 to 12 and 4         6 4 3 3
    this                                        8 and 8                     4 4 4 4

Connections live long, so what a burst begins with stays. With SO_REUSEPORT the kernel also goes on to deal to one that
hangs, and resets what waits in the queue of one that ends. A connection costs the parent 35 µs; requests on it,
nothing.
"""

from __future__ import annotations

import asyncio
import logging
import socket

from muster.serve.workers.messages import Connected
from muster.serve.workers.supervisor import Supervisor
from muster.serve.workers.table import Table
from muster.serve.workers.turn import in_turn

log = logging.getLogger("muster.serve")

_AT_ONCE = 64
_NOBODY = 0.05
_NO_DESCRIPTORS = 1.0
"""Seconds until the next try where nobody could take a connection, or this process has too many files open."""


class Dealer:
    """Deals the connections of `listener`, which it closes at the end, to the workers of `supervisor`.

    While nobody serves they wait in the kernel's queue. For the event loop that it is made on.
    """

    def __init__(self, listener: socket.socket, supervisor: Supervisor) -> None:
        listener.setblocking(False)
        self._listener = listener
        self._supervisor = supervisor
        self._loop = asyncio.get_running_loop()
        self._last = 0
        self._dealing = False
        self._pause: asyncio.TimerHandle | None = None
        self._unlisten = supervisor.table.listen(self._look)
        self._look(supervisor.table.value)

    def close(self) -> None:
        """Connections are refused from now on. May be called more than once."""
        self._unlisten()
        self._rest()
        if self._pause is not None:
            self._pause.cancel()
        self._listener.close()

    def _look(self, table: Table) -> None:
        """Deal while there is somebody to deal to."""
        able = bool(in_turn(table, self._last))
        if able and not self._dealing and self._pause is None:
            self._dealing = True
            self._loop.add_reader(self._listener, self._deal)
        elif not able:
            self._rest()
        if table.stopping and not able:
            self.close()  # whoever still comes is to know at once that nobody will answer

    def _rest(self) -> None:
        if self._dealing:
            self._dealing = False
            self._loop.remove_reader(self._listener)

    def _deal(self) -> None:
        for _ in range(_AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                log.error("cannot take a connection: %s", error.strerror)
                self._pause_for(_NO_DESCRIPTORS)
                return
            if not self._given(connection):
                connection.close()
                self._pause_for(_NOBODY)
                return

    def _given(self, connection: socket.socket) -> bool:
        for worker in in_turn(self._supervisor.table.value, self._last):
            if self._supervisor.hand(worker.number, Connected(), connection):
                self._last = worker.number
                return True
        return False

    def _pause_for(self, seconds: float) -> None:
        self._rest()
        self._pause = self._loop.call_later(seconds, self._resume)

    def _resume(self) -> None:
        self._pause = None
        self._look(self._supervisor.table.value)
