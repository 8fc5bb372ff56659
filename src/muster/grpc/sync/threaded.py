"""Calls that threads wait for. `Attempting` decides, inside the loop; here is how a thread learns of it."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Coroutine
from typing import Any

import grpc

from muster.call.deadline import remaining
from muster.grpc.attempting import Attempting
from muster.grpc.sync.failure import Failure
from muster.grpc.sync.requests import Requests
from muster.grpc.sync.work import Work

CLOSED = "Cannot invoke RPC on closed channel!"
"""grpc's own words for it."""


class Threaded(Attempting):
    """A call that threads wait for. Create and begin it inside the loop; raises ValueError on a closed channel."""

    _sleepers: tuple[threading.Event, ...] = ()

    def __init__(self, work: Work) -> None:
        if work.method.closed:
            raise ValueError(CLOSED)
        super().__init__(work.method, work.terms)
        self._work = work
        self._background = work.background

    def _repeatable(self) -> bool:
        requests = self._work.request
        return not self._committed and (not isinstance(requests, Requests) or requests.repeatable)

    def _done(self) -> None:
        if isinstance(self._work.request, Requests):
            self._work.request.stop()

    def _put_aside(self, work: Coroutine[Any, Any, None]) -> None:
        """A thread may come back from its attempt after the client has closed, and has no tasks any more."""
        if self._method.closed:
            work.close()
            self._end_with(grpc.StatusCode.CANCELLED, "Channel closed!")
        else:
            super()._put_aside(work)

    def _wake(self) -> None:
        super()._wake()
        sleepers, self._sleepers = self._sleepers, ()
        for sleeper in sleepers:
            sleeper.set()

    def _wait_until(self, ready: Callable[[], bool], timeout: float | None = None) -> bool:
        """Whether `ready` becomes true in so many seconds. It is asked whenever an attempt is sent or the call ends."""
        self._background.must_not_wait_here()
        end = None if timeout is None else time.monotonic() + timeout
        while True:
            moved = threading.Event()
            with self._background.inside:
                if ready():
                    return True
                self._sleepers = (*self._sleepers, moved)
            if not moved.wait(remaining(end, time.monotonic())):
                return ready()

    def _settled(self) -> bool:
        """Whether there is an attempt, or the end: nothing is being decided or looked for."""
        return self._over or self._aside is None

    def _raise_failure(self) -> None:
        """Raise the error of the call itself, if it has one: that of its last attempt is raised by the attempt."""
        if self._error is not None:
            raise Failure(self._error) from self._error.__cause__
