"""A call that is sent a second time when its answer is late: `grpc.hedged`, for threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio

from muster.grpc.ending import at_once
from muster.grpc.hedged import HedgedCall
from muster.grpc.sync.failure import CANCELLED, Failure
from muster.grpc.sync.threaded import CLOSED
from muster.grpc.sync.work import Work


class Hedged:
    """A hedged call on the loop, as a `handles.Handle` wants it."""

    def __init__(self, work: Work) -> None:
        """Called inside. Raises ValueError on a closed channel."""
        if work.method.closed:
            raise ValueError(CLOSED)
        self._background = work.background
        self._call = HedgedCall(work.method, work.terms, work.request)
        self._over = threading.Event()
        self._call.add_done_callback(lambda _: self._over.set())

    @classmethod
    def begun(cls, work: Work) -> Hedged:
        with work.background.inside:
            hedged = cls(work)
            hedged._call.begin()
            return hedged

    def cancel(self) -> bool:
        with self._background.inside:
            return self._call.cancel()

    def when_done(self, callback: Callable[[], object]) -> bool:
        """As Running.when_done."""
        with self._background.inside:
            if self.is_over():
                return False
            self._call.add_done_callback(lambda _: self._background.after(callback))
            return True

    def is_over(self) -> bool:
        return self._over.is_set()

    def is_cancelled(self) -> bool:
        return self._call.cancelled()

    def time_remaining(self) -> float | None:
        return self._call.time_remaining()

    def wait(self, timeout: float | None = None) -> bool:
        return self._over.wait(timeout)

    def end(self) -> Any:
        """Waits until the call is over; then what tells of it."""
        self.wait()
        with self._background.inside:
            return at_once(_end(self._call))

    def initial_metadata(self) -> Any:
        return self.end().initial_metadata()


class _Answered:
    """A call that went well."""

    def __init__(self, result: Any, initial: Any, trailing: Any) -> None:
        self._result = result
        self._initial = tuple(initial)
        self._trailing = tuple(trailing)

    def result(self) -> Any:
        return self._result

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.OK

    def details(self) -> str:
        return ""

    debug_error_string = details

    def initial_metadata(self) -> tuple[Any, ...]:
        return self._initial

    def trailing_metadata(self) -> tuple[Any, ...]:
        return self._trailing


async def _end(call: HedgedCall) -> Any:
    """For a call that is over; does not wait."""
    try:
        return _Answered(await call, await call.initial_metadata(), await call.trailing_metadata())
    except grpc.aio.AioRpcError as error:
        return Failure(error)
    except asyncio.CancelledError:
        return Failure(CANCELLED)
    except Exception as error:
        return error  # an interceptor raised something of its own
