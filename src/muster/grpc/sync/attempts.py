"""One attempt on a sync channel, in the shape of the grpc.aio calls that `grpc.attempting` works with.

An attempt is created inside the loop (`client.background`) and made outside of it, since interceptors of the user's run
then, and may block.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import grpc.aio

from muster.client.background import Background
from muster.grpc.sync.failure import CANCELLED, OK, Failure
from muster.grpc.sync.work import Work


class Attempt:
    """An attempt, and its `status` once it is done: something with `code()`, `details()` and the metadata.

    The methods that tell of it are coroutines, as in grpc.aio; they never wait, and are asked once it is done.
    """

    status: Any = None
    _callback: Callable[[Any], None] | None = None

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        """Called inside. One is enough: the call's own."""
        self._callback = callback
        if self.status is not None:
            callback(self)

    def settle(self, status: Any) -> None:
        """For who is inside: the attempt is done. Only the first status counts."""
        if self.status is None:
            self.status = status
            if self._callback is not None:
                self._callback(self)

    def done(self) -> bool:
        return self.status is not None

    async def code(self) -> grpc.StatusCode:
        code: grpc.StatusCode = self.status.code()
        return code

    async def details(self) -> str:
        return self.status.details() or ""

    async def debug_error_string(self) -> str:
        tell = getattr(self.status, "debug_error_string", self.status.details)
        return tell() or ""

    async def initial_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(*(self.status.initial_metadata() or ()))

    async def trailing_metadata(self) -> grpc.aio.Metadata:
        return grpc.aio.Metadata(*(self.status.trailing_metadata() or ()))

    def cancel(self) -> bool:
        """Called inside. Whether it will end by that."""
        raise NotImplementedError


class Here(Attempt):
    """An attempt that the calling thread makes itself, and waits for: the cheapest way that gRPC has."""

    def __init__(self, work: Work, stub: Any, timeout: float | None) -> None:
        self._work = work
        self._stub = stub
        self._timeout = timeout

    def make(self) -> Any:
        """Called outside. Raises what gRPC or an interceptor raises."""
        terms = self._work.terms
        call = self._work.ask(self._stub)
        return call(self._work.message(), self._timeout, terms.metadata, terms.credentials, None, terms.compression)

    def cancel(self) -> bool:
        return False


class Elsewhere(Attempt):
    """An attempt that gRPC's threads work on: `call` is its future or its stream, once it has been launched."""

    call: Any = None

    def __init__(self, background: Background, start: Callable[[], Any], *, inside: bool = False) -> None:
        """`inside`: `start` is gRPC's alone and does not block, so that nobody has to step outside for it."""
        self._background = background
        self._start = start
        self._launched = threading.Event()
        self._failure: Exception = Failure(CANCELLED)
        self._unwanted = False
        if inside:
            self._launch()
        else:
            background.after(self._launch)

    def _launch(self) -> None:
        background = self._background
        background.enter()
        try:
            if not self._unwanted:
                self.call = self._start()
        except Exception as error:
            self._failure = error
            self._end(error)
        finally:
            background.leave()
            self._launched.set()
        if hasattr(self.call, "add_done_callback"):
            self.call.add_done_callback(self._end)
        if self._unwanted:
            self.cancel()

    def launched(self) -> Any:
        """The call. Blocks while it is being made; raises what making it raised."""
        self._launched.wait()
        if self.call is None:
            raise self._failure
        return self.call

    def messages(self) -> Iterator[Any]:
        """The answers of a stream. Raises as the stream does, after the attempt has been settled by it.

        An interceptor may have made a mere generator of the stream, whose end nobody is told of but its reader.
        """
        call = self.launched()
        try:
            yield from call
        except Exception as error:
            self._end(error)
            raise
        self._end(OK)

    def cancelled(self) -> bool:
        """Whether it was ended by `cancel`."""
        return self._unwanted and self.done() and self.status.code() is grpc.StatusCode.CANCELLED

    def cancel(self) -> bool:
        self._unwanted = True
        cancel = getattr(self.call, "cancel", None)
        if cancel is None:
            self.settle(CANCELLED)
            return True
        return bool(cancel())

    def _end(self, status: Any) -> None:
        with self._background.inside:
            self.settle(status)
