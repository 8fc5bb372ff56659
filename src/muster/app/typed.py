"""Typed clients: an object with the methods of a class, each of which calls a service."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Callable, Iterable
from contextlib import aclosing
from typing import Any, Protocol

from muster.model.errors import BadConfiguration, Fault
from muster.model.instance import GRPC, HTTP
from muster.model.snapshot import Pending, Snapshot, instances_of
from muster.rpc.codec import Codec, Unfit
from muster.rpc.contract import Operation, operations
from muster.rpc.current import within
from muster.watch.latest import Latest

Sent = bytes | AsyncIterable[bytes]


class Way(Protocol):
    """How a service is called by one protocol. All raise Fault, NoInstances, RegistryUnavailable and Overloaded."""

    async def once(self, operation: Operation, sent: Sent) -> bytes: ...

    def many(self, operation: Operation, sent: Sent) -> AsyncGenerator[bytes, None]: ...

    async def describe(self) -> bytes: ...


class Ways:
    """The way to the instances of one name: HTTP where they speak that alone, else gRPC; or always `protocol`.

    A name has one protocol; an entry that does not say which is taken for gRPC. `make` gives the way of a protocol.
    """

    def __init__(self, latest: Latest[Snapshot], protocol: str, make: Callable[[str], Way]) -> None:
        """Raises BadConfiguration for a protocol that is none."""
        if protocol not in ("", GRPC, HTTP):
            raise BadConfiguration(
                f"protocol={protocol!r}: expected 'grpc' or 'http', or nothing to go by the registry"
            )
        self._latest = latest
        self._make = make
        self._made: dict[str, Way] = {}
        self.now: Way | None = self._of(protocol) if protocol else None
        if not protocol:
            self._take(latest.value)
            latest.listen(self._take)

    async def known(self, timeout: float | None) -> Way:
        """The way, once the registry has answered. Raises Fault DEADLINE_EXCEEDED where it has not in time."""
        try:
            async with asyncio.timeout(within(timeout)), aclosing(aiter(self._latest)) as snapshots:
                async for snapshot in snapshots:
                    if self.now is not None:
                        break
                    if isinstance(snapshot, Pending) and snapshot.why:
                        return self._of(GRPC)  # which raises what there is to say
        except TimeoutError:
            name = self._latest.value.name
            raise Fault("DEADLINE_EXCEEDED", f"no time left: the registry has told nothing of {name!r} yet") from None
        assert self.now is not None
        return self.now

    def _take(self, snapshot: Snapshot) -> None:
        found = {instance.protocol for instance in instances_of(snapshot)}
        if found:
            self.now = self._of(HTTP if found == {HTTP} else GRPC)
        elif self.now is None and not isinstance(snapshot, Pending):
            self.now = self._of(GRPC)  # which says that nobody is there; whoever was there may come back

    def _of(self, protocol: str) -> Way:
        if protocol not in self._made:
            self._made[protocol] = self._make(protocol)
        return self._made[protocol]


def stub(contract: Any, name: str, ways: Ways, timeout: float | None) -> Any:
    """An object with the methods of `contract`, which call `name`. Raises Rejected as `rpc.contract.operations` does.

    `timeout`: seconds that a call may wait for the registry's first answer.
    """
    found = operations(contract)
    kind = type(contract.__name__, (_Stub,), {"_name": name})
    made = kind()
    for operation in found:
        make = _many if operation.gives_stream else _once
        setattr(made, operation.attribute, make(operation, ways, timeout))
    return made


class _Stub:
    _name = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._name!r}>"


def _once(operation: Operation, ways: Ways, timeout: float | None) -> Callable[..., Any]:
    sending, reply = _Sending(operation), Codec(operation.reply)

    async def call(*given: Any, **named: Any) -> Any:
        sent = sending.sent(given, named)
        way = ways.now or await ways.known(timeout)
        try:
            answer = await way.once(operation, sent.messages)
        except BaseException:
            sent.throw()
            raise
        return _decoded(reply, answer)

    return call


def _many(operation: Operation, ways: Ways, timeout: float | None) -> Callable[..., Any]:
    sending, reply = _Sending(operation), Codec(operation.reply)

    async def call(*given: Any, **named: Any) -> AsyncIterator[Any]:
        sent = sending.sent(given, named)
        way = ways.now or await ways.known(timeout)
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
