"""Calls by the name of a method, by whatever protocol the service is called."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence
from contextlib import suppress
from functools import partial
from typing import Any

from muster.app.ways import Asked, Finder, document_of
from muster.call.deadline import deadline_of, remaining
from muster.grpc.calls import FRESH, Calls, Reply, Wanted, off_loop
from muster.grpc.offer import Typed
from muster.model.endpoint import Endpoint, find
from muster.model.errors import Fault
from muster.model.instance import HTTP
from muster.rpc.contract import Operation

Metadata = Sequence[tuple[str, str | bytes]]


class ByName:
    """What `grpc.calls.Calls` does, also for services whose typed handlers are reached by HTTP alone."""

    def __init__(self, calls: Calls, finder: Finder) -> None:
        self._calls = calls
        self._finder = finder
        self._read: dict[str, tuple[float, Typed]] = {}

    async def call(
        self, name: str, method: str, payload: Any, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Any:
        """As `Calls.call`."""
        wanted = Wanted(lambda endpoints: find(endpoints, method), lambda _: payload)
        return (await self.perform(name, wanted, timeout=timeout, metadata=metadata)).value

    async def perform(
        self, name: str, wanted: Wanted, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Reply:
        """As `Calls.perform`."""
        deadline = deadline_of(self._finder.timeout if timeout is None else timeout, time.monotonic())
        by_http = await self._by_http(name, deadline)
        left = remaining(deadline, time.monotonic())
        if by_http:
            return await self._perform(name, wanted, left, metadata)
        return await self._calls.perform(name, wanted, timeout=timeout if left is None else left, metadata=metadata)

    async def endpoints(self, name: str, *, metadata: Metadata = ()) -> tuple[Endpoint, ...]:
        """As `Calls.endpoints`."""
        if await self._by_http(name, deadline_of(self._finder.timeout, time.monotonic())):
            return (await self._typed(name)).endpoints
        return await self._calls.endpoints(name, metadata=metadata)

    async def _by_http(self, name: str, deadline: float | None) -> bool:
        """Whether the instances speak HTTP alone. Where nothing is known in time, gRPC's calls say what there is to."""
        ways = self._finder.ways(name, Asked())
        if ways.now is None:
            with suppress(TimeoutError, Fault):
                async with asyncio.timeout(remaining(deadline, time.monotonic())):
                    await ways.known()
        return ways.protocol == HTTP

    async def _perform(self, name: str, wanted: Wanted, left: float | None, metadata: Metadata) -> Reply:
        typed = await self._typed(name)
        endpoint = wanted.find(typed.endpoints)
        if endpoint.client_streaming or endpoint.server_streaming:
            raise Fault("UNIMPLEMENTED", f"{endpoint.path} is a streaming method: call it with a typed client")
        taken = typed.request_type(endpoint)
        message = await off_loop(wanted.size, lambda: typed.request(endpoint, wanted.payload(taken)))
        headers = tuple((key, value) for key, value in metadata if isinstance(value, str))
        way = self._finder.way(name, Asked(HTTP, left, headers), HTTP)
        body = await way.once(_operation(endpoint, idempotent=typed.idempotent(endpoint)), message.data)
        return Reply(await off_loop(len(body), partial(typed.reply, typed.decode(endpoint, body))), ())

    async def _typed(self, name: str) -> Typed:
        """What the handlers of a service are, as one of its instances has said not long ago."""
        read = self._read.get(name)
        if read is None or time.monotonic() - read[0] > FRESH:
            read = self._read[name] = time.monotonic(), Typed(await self._document(name))
        return read[1]

    async def _document(self, name: str) -> bytes:
        """Raises Fault UNIMPLEMENTED for any other application: who calls it by name learns how it is reached."""
        try:
            return await document_of(name, self._finder.way(name, Asked(HTTP), HTTP))
        except Fault as fault:
            if fault.code != "UNIMPLEMENTED":
                raise
            text = f"{name!r} is served by HTTP and has no typed handlers: ask for its paths, by client.http or curl"
            raise Fault("UNIMPLEMENTED", text) from fault


def _operation(endpoint: Endpoint, *, idempotent: bool) -> Operation:
    kind, _, method = endpoint.short.rpartition(".")
    return Operation(kind, method, None, None, idempotent=idempotent)
