"""From the bytes of a request to the bytes of a reply: one method of a handler, whatever the transport.

What the handler raises on purpose, a Fault, is for the caller. Anything else is the program's own affair: it is logged
once, with its traceback, and the caller learns that the call failed.
"""

from __future__ import annotations

import logging
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from muster.model.errors import Fault
from muster.rpc.codec import Codec, Unfit
from muster.rpc.contract import Operation
from muster.rpc.status import status_of

log = logging.getLogger("muster.rpc")

Messages = AsyncIterable[bytes]


class Answering:
    """One operation of a handler that has been made, at `path`. Raises Rejected for types that have no JSON form."""

    def __init__(self, operation: Operation, path: str, handler: object) -> None:
        self.operation = operation
        self.path = path
        self._function: Callable[..., Any] = getattr(handler, operation.attribute)
        self._request = None if operation.request is None else Codec(operation.request)
        self._reply = Codec(operation.reply)

    def argument(self, sent: bytes | Messages) -> tuple[Any, ...]:
        """What to give to `once` and `many` for what a caller sent. Raises Fault INVALID_ARGUMENT where it does not
        fit; of a stream that shows only when it is read."""
        if not isinstance(sent, bytes):
            return (self._decoded(sent),)
        return () if self._request is None else (self._decode(sent),)

    async def once(self, argument: tuple[Any, ...]) -> bytes:
        """The reply. Raises Fault, and nothing else but for being cancelled. Not for operations that give streams."""
        try:
            return self._reply.encode(await self._function(*argument))
        except Exception as error:
            raise self._fault(error) from None

    async def many(self, argument: tuple[Any, ...]) -> AsyncGenerator[bytes, None]:
        """The replies. Raises as `once` does. For operations that give streams."""
        try:
            async with _closing(self._function(*argument)) as replies:
                async for reply in replies:
                    yield self._reply.encode(reply)
        except Exception as error:
            raise self._fault(error) from None

    def _decode(self, message: bytes) -> Any:
        assert self._request is not None
        try:
            return self._request.decode(message)
        except Unfit as error:
            raise Fault("INVALID_ARGUMENT", str(error)) from None

    async def _decoded(self, messages: Messages) -> AsyncIterator[Any]:
        async for message in messages:
            yield self._decode(message)

    def _fault(self, error: Exception) -> Fault:
        """What the caller is told of `error`."""
        if isinstance(error, Fault):
            return self._known(error)
        log.error("%s raised %s", self.path, type(error).__name__, exc_info=error)
        return Fault("INTERNAL", f"{self.path} failed; the service's log says why")

    def _known(self, fault: Fault) -> Fault:
        """`fault`, or what stands for one whose code no caller knows. A text that was given as the code is kept."""
        code = status_of(fault.code).code
        if code == fault.code != "OK":
            return fault
        log.error(
            "%s raised a Fault with the code %r, which is none of gRPC's errors: %s", self.path, fault.code, _ADVICE
        )
        return Fault("UNKNOWN", fault.detail or str(fault))


_ADVICE = "write Fault('NOT_FOUND', 'text for people')"


@asynccontextmanager
async def _closing(replies: AsyncIterator[Any]) -> AsyncIterator[AsyncIterator[Any]]:
    """Closes a generator; a handler may also return an iterator that needs no end."""
    try:
        yield replies
    finally:
        if isinstance(replies, AsyncGenerator):
            await replies.aclose()
