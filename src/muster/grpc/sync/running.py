"""Calls that gRPC's threads work on: futures and streams."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc

from muster.call.deadline import remaining
from muster.grpc.attempting import LOCALLY_CANCELLED
from muster.grpc.sync.attempts import Elsewhere, Here
from muster.grpc.sync.failure import Failure
from muster.grpc.sync.requests import Requests
from muster.grpc.sync.threaded import Threaded


class Running(Threaded):
    """A call that gRPC's threads work on: a future or a stream."""

    _reading: tuple[Elsewhere, Iterator[Any]] | None = None

    def _start(self, stub: Any, timeout: float | None) -> Elsewhere:
        return Elsewhere(self._background, Here(self._work, stub, timeout).make)

    def cancel(self) -> bool:
        with self._background.inside:
            if self._over:
                return False
            self._cancelled = True
            if self._aside is None:
                return bool(self._inner.cancel())
            self._aside.cancel()
            self._end_with(grpc.StatusCode.CANCELLED, LOCALLY_CANCELLED)
            return True

    def when_done(self, callback: Callable[[], object]) -> bool:
        """Have `callback` called, outside, when the call is over. False if it is over already."""
        with self._background.inside:
            if self._over:
                return False
            self._callbacks = (*self._callbacks, lambda _: self._background.after(callback))
            return True

    def is_over(self) -> bool:
        return self._over

    def is_cancelled(self) -> bool:
        return self._over and self._cancelled

    def time_remaining(self) -> float | None:
        return remaining(self._deadline, time.monotonic())

    def wait(self, timeout: float | None = None) -> bool:
        """Whether the call is over in so many seconds."""
        return self._over or self._wait_until(self.is_over, timeout)

    def end(self) -> Any:
        """Waits until the call is over; then what tells of it: its own error, or its last attempt's status."""
        self.wait()
        return self._inner.status if self._error is None else Failure(self._error)

    def initial_metadata(self) -> Any:
        """Waits for it. Who has seen it has seen something of an answer: there will be no other attempt."""
        while True:
            self._wait_until(self._settled)
            if self._over:
                return self.end().initial_metadata()
            attempt = self._inner
            metadata = attempt.launched().initial_metadata()
            if self._keep(attempt):
                return metadata

    def read(self) -> Any:
        """The next answer of a stream. Raises StopIteration, or the call's error."""
        while True:
            attempt, messages = self._reading or self._read_anew()
            try:
                message = next(messages)
            except Exception:
                self._reading = None
                if not self._is_superseded(attempt):
                    self._raise_failure()
                    raise
            else:
                if self._committed or self._keep(attempt):
                    return message

    def _read_anew(self) -> tuple[Elsewhere, Iterator[Any]]:
        self._wait_until(self._settled)
        self._raise_failure()
        self._reading = self._inner, self._inner.messages()
        return self._reading

    def _is_superseded(self, attempt: Elsewhere) -> bool:
        """Whether another attempt follows one that has ended."""
        self._wait_until(self._settled)
        return not self._over and self._inner is not attempt

    def _keep(self, attempt: Elsewhere) -> bool:
        """Stay with `attempt`, of whose answer the caller gets something; False if it has been replaced."""
        with self._background.inside:
            if self._inner is not attempt or self._aside is not None:
                return False
            self._committed = True
            if isinstance(self._work.request, Requests):
                self._work.request.commit()
            return True
