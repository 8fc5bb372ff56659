"""What a caller holds of a call under way: what grpc promises of a future and of a stream of answers.

A handle that is dropped cancels its call, as in grpc; so nothing of the call itself refers to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from types import TracebackType
from typing import Any

import grpc

from muster.client.background import Background
from muster.grpc.sync.hedged import Hedged
from muster.grpc.sync.running import Running


class Handle(grpc.Call, grpc.Future):  # type: ignore[misc]
    """A call under way, or over: grpc.Call and grpc.Future."""

    def __init__(self, background: Background, call: Running | Hedged) -> None:
        self._background = background
        self._call = call

    def __del__(self) -> None:
        # Not at once: the garbage collector may run while this thread holds some other lock.
        if not self._call.is_over() and not self._background.abandoned:
            self._background.call(self._call.cancel)

    # grpc.RpcContext

    def is_active(self) -> bool:
        return not self._call.is_over()

    def time_remaining(self) -> Any:
        return self._call.time_remaining()

    def cancel(self) -> bool:
        return self._call.cancel()

    def add_callback(self, callback: Callable[[], None]) -> bool:
        return self._call.when_done(callback)

    # grpc.Call. Each but the first waits until the call is over.

    def initial_metadata(self) -> Any:
        return self._call.initial_metadata()

    def trailing_metadata(self) -> Any:
        return self._call.end().trailing_metadata()

    def code(self) -> grpc.StatusCode:
        code: grpc.StatusCode = self._call.end().code()
        return code

    def details(self) -> str:
        return self._call.end().details() or ""

    def debug_error_string(self) -> str:
        return self._call.end().debug_error_string() or ""

    # grpc.Future

    def cancelled(self) -> bool:
        return self._call.is_cancelled()

    def running(self) -> bool:
        return not self._call.is_over()

    def done(self) -> bool:
        return self._call.is_over()

    def result(self, timeout: float | None = None) -> Any:
        end = self._end(timeout)
        if hasattr(end, "result"):
            return end.result()
        if isinstance(end, BaseException):
            raise end
        return None

    def exception(self, timeout: float | None = None) -> Any:
        try:
            self.result(timeout)
        except (grpc.FutureTimeoutError, grpc.FutureCancelledError):
            raise
        except Exception as error:
            return error
        return None

    def traceback(self, timeout: float | None = None) -> TracebackType | None:
        error = self.exception(timeout)
        return None if error is None else error.__traceback__

    def add_done_callback(self, fn: Callable[[Any], None]) -> None:
        if not self._call.when_done(partial(fn, self)):
            fn(self)

    def _end(self, timeout: float | None) -> Any:
        if not self._call.wait(timeout):
            raise grpc.FutureTimeoutError
        if self._call.is_cancelled():
            raise grpc.FutureCancelledError
        return self._call.end()


class Answers(Handle):
    """The answers of a stream, for one thread at a time."""

    _call: Running

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        return self._call.read()

    next = __next__
