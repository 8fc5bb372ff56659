"""Calls on a sync channel in the shape of grpc.aio's, for the loop itself."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator, Generator
from functools import partial
from typing import Any

import grpc
import grpc.aio

from muster.client.background import Background
from muster.grpc.kinds import EOF
from muster.grpc.sync.attempts import Elsewhere
from muster.grpc.sync.failure import CANCELLED


class Stub:
    """A multicallable: `blocking` for threads; called, it makes a call of grpc.aio's shape."""

    def __init__(
        self, background: Background, blocking: Any, shape: type[Answer] | type[Dialogue] | None, *, plain: bool
    ) -> None:
        """`plain`: no interceptor is in between."""
        self.blocking = blocking
        self._background = background
        self._shape = shape
        self._plain = plain

    def __call__(self, request: Any = None, **terms: Any) -> Any:
        assert self._shape is not None, "muster itself makes no calls of this kind"
        return self._shape(self._background, self.blocking, request, terms, plain=self._plain)


class Answer(Elsewhere):
    """A unary call. Awaiting it gives the response, or raises AioRpcError."""

    def __init__(self, background: Background, stub: Any, request: Any, terms: dict[str, Any], *, plain: bool) -> None:
        self._settled: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        super().__init__(background, partial(stub.future, request, **terms), inside=plain)

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            yield from self._settled.__await__()
        except asyncio.CancelledError:
            self.cancel()
            raise
        if self.status.code() is grpc.StatusCode.OK:
            return self.call.result()
        raise self.error()

    def settle(self, status: Any) -> None:
        super().settle(status)
        if not self._settled.done():
            self._settled.set_result(None)

    def error(self) -> BaseException:
        return _error(self.status)


class Dialogue(Elsewhere):
    """A call with a stream of answers, for one reader. Requests that are not given with the call can be written.

    It takes a thread to read a sync stream, from the first answer that is asked for until the stream ends.
    """

    def __init__(self, background: Background, stub: Any, request: Any, terms: dict[str, Any], *, plain: bool) -> None:
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._incoming: asyncio.Queue[Any] = asyncio.Queue()
        self._reading = False
        given = iter(self._outgoing.get, EOF) if request is None else request
        super().__init__(background, partial(stub, given, **terms), inside=plain)

    async def write(self, request: Any) -> None:
        self._outgoing.put(request)

    async def read(self) -> Any:
        """The next answer, or EOF. Raises AioRpcError."""
        if not self._reading:
            self._reading = True
            threading.Thread(target=self._read, name="muster reader", daemon=True).start()
        answer = await self._incoming.get()
        if isinstance(answer, BaseException):
            raise answer
        return answer

    async def __aiter__(self) -> AsyncIterator[Any]:
        while (answer := await self.read()) is not EOF:
            yield answer

    def cancel(self) -> bool:
        self._outgoing.put(EOF)
        return super().cancel()

    def _read(self) -> None:
        try:
            for answer in self.messages():
                self._background.call(self._incoming.put_nowait, answer)
        except Exception as error:
            self._background.call(self._incoming.put_nowait, _error(error))
        else:
            self._background.call(self._incoming.put_nowait, EOF)


def _error(status: Any) -> BaseException:
    """What grpc.aio raises for a call that ended so; or what an interceptor has raised instead."""
    if status is CANCELLED:
        return asyncio.CancelledError()
    if isinstance(status, BaseException) and not isinstance(status, grpc.Call):
        return status
    error: BaseException = grpc.aio.AioRpcError(
        status.code(),
        grpc.aio.Metadata(*(status.initial_metadata() or ())),
        grpc.aio.Metadata(*(status.trailing_metadata() or ())),
        status.details(),
        status.details(),
    )
    return error
