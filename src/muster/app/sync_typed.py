"""Typed clients for threads: the same object, whose methods wait."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from muster.app.client import Client
from muster.app.typed import stub
from muster.app.ways import Asked
from muster.client.background import Opened
from muster.model.errors import Rejected
from muster.rpc.contract import Operation, operations

_END = object()


def sync_stub(contract: Any, name: str, asked: Asked, here: Callable[[], Opened[Client]]) -> Any:
    """An object with the plain methods of `contract`, which call `name`. `here` gives the client on the loop of this
    process. Raises Rejected as `rpc.contract.operations`, and for a method that takes a stream: a sync channel's are
    read by threads of gRPC's own, which the loop has no part in."""
    found = operations(contract, plain=True)
    if streams := [each.short for each in found if each.takes_stream]:
        raise Rejected(f"{', '.join(streams)} takes a stream: from threads, replies alone can be streams")
    inner = _Inner(contract.__name__, found, name, asked, here)
    kind = type(contract.__name__, (_Stub,), {"_name": name})
    made = kind()
    for operation in found:
        make = _many if operation.gives_stream else _once
        setattr(made, operation.attribute, make(operation, inner))
    return made


class _Stub:
    _name = ""

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self._name!r}, for threads>"


class _Inner:
    """The async object behind it, made anew where the client was opened anew: after a fork."""

    def __init__(
        self,
        kind: str,
        found: tuple[Operation, ...],
        name: str,
        asked: Asked,
        here: Callable[[], Opened[Client]],
    ) -> None:
        self._of = kind, found, name, asked
        self._here = here
        self._made: tuple[Opened[Client], Any] | None = None

    def get(self) -> tuple[Opened[Client], Any]:
        opened, made = self._here(), self._made
        if made is None or made[0] is not opened:
            made = self._made = opened, opened.run(self._make(opened.value))
        return made

    async def _make(self, client: Client) -> Any:
        kind, found, name, asked = self._of
        return stub(kind, found, name, client.ways(name, asked))


def _once(operation: Operation, inner: _Inner) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Any:
        opened, made = inner.get()
        return opened.run(getattr(made, operation.attribute)(*given, **named))

    return call


def _many(operation: Operation, inner: _Inner) -> Callable[..., Any]:
    def call(*given: Any, **named: Any) -> Iterator[Any]:
        opened, made = inner.get()
        replies = getattr(made, operation.attribute)(*given, **named)
        try:
            while (reply := opened.run(_next(replies))) is not _END:
                yield reply
        finally:
            if not opened.background.abandoned:
                opened.background.start(replies.aclose())

    return call


async def _next(replies: AsyncIterator[Any]) -> Any:
    return await anext(replies, _END)
