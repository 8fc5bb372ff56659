"""Typed clients: an object with the methods of a class, each of which calls a service."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any

from muster.app.ways import Sent, Ways
from muster.model.errors import Fault
from muster.rpc.codec import Codec, Unfit
from muster.rpc.contract import Operation


def stub(kind: str, found: Iterable[Operation], name: str, ways: Ways) -> Any:
    """An object with the methods `found` of the class `kind`, which call `name`."""
    made = type(kind, (_Stub,), {"_name": name})()
    for operation in found:
        make = _many if operation.gives_stream else _once
        setattr(made, operation.attribute, make(operation, ways))
    return made


class _Stub:
    _name = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._name!r}>"


def _once(operation: Operation, ways: Ways) -> Callable[..., Any]:
    sending, reply = _Sending(operation), Codec(operation.reply)

    async def call(*given: Any, **named: Any) -> Any:
        sent = sending.sent(given, named)
        way = ways.now or await ways.known()
        try:
            answer = await way.once(operation, sent.messages)
        except BaseException:
            sent.throw()
            raise
        return _decoded(reply, answer)

    return call


def _many(operation: Operation, ways: Ways) -> Callable[..., Any]:
    sending, reply = _Sending(operation), Codec(operation.reply)

    async def call(*given: Any, **named: Any) -> AsyncIterator[Any]:
        sent = sending.sent(given, named)
        way = ways.now or await ways.known()
        try:
            async with aclosing(way.many(operation, sent.messages)) as answers:
                async for answer in answers:
                    yield _decoded(reply, answer)
        except BaseException:
            sent.throw()
            raise

    return call


def _decoded(reply: Codec, answer: bytes) -> Any:
    try:
        return reply.decode(answer)
    except Unfit as error:
        raise Fault("INTERNAL", f"the reply is not what the class says: {error}") from error


class _Sent:
    """What one call sends. `failure`: what the caller's own stream of requests raised; it is the reason of whatever
    became of the call then."""

    def __init__(self, messages: Sent) -> None:
        self.messages = messages
        self.failure: Exception | None = None

    def throw(self) -> None:
        if self.failure is not None:
            raise self.failure


class _Sending:
    """Makes what is sent of what a method is called with."""

    def __init__(self, operation: Operation) -> None:
        self._operation = operation
        self._codec = None if operation.request is None else Codec(operation.request)

    def sent(self, given: tuple[Any, ...], named: dict[str, Any]) -> _Sent:
        """Raises TypeError for too many arguments or too few, and for values that have no JSON form."""
        values = (*given, *named.values())
        if len(values) != (self._codec is not None):
            takes = "nothing" if self._codec is None else "one request"
            raise TypeError(f"{self._operation.short} takes {takes}, not {len(values)} values")
        if self._codec is None:
            return _Sent(b"null")
        if not self._operation.takes_stream:
            return _Sent(self._codec.encode(values[0]))
        sent = _Sent(b"")
        sent.messages = self._encoded(values[0], self._codec, sent)
        return sent

    async def _encoded(self, requests: Any, codec: Codec, sent: _Sent) -> AsyncIterator[bytes]:
        try:
            async for request in _each(requests):
                yield codec.encode(request)
        except Exception as error:
            sent.failure = error
            raise


async def _each(requests: AsyncIterable[Any] | Iterable[Any]) -> AsyncIterator[Any]:
    if isinstance(requests, AsyncIterable):
        async for request in requests:
            yield request
    else:
        for request in requests:
            yield request
