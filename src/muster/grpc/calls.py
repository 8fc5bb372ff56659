"""Calls by the name of a method, with JSON in and out: no stub, no generated code.

What a method takes is asked of an instance by server reflection, once for each version; the call then goes to
instances of that version, with the retries and the deadline of any call.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeVar

import grpc
import grpc.aio

from muster.balance.nodes import Node
from muster.call.deadline import deadline_of, remaining
from muster.client.lease import Lease
from muster.grpc.alike import Alike, NoneAlike, alike
from muster.grpc.attempting import Terms
from muster.grpc.hedged import unary_call
from muster.grpc.link import Link
from muster.grpc.offer import Encoded, Offer
from muster.grpc.reflect import Metadata
from muster.grpc.schemas import Schemas
from muster.grpc.transport import GrpcTransport
from muster.model.endpoint import Endpoint, find
from muster.model.errors import Fault, MusterError, NoInstances
from muster.model.instance import Instance

LOOKS = 4
"""Instances, of different versions, that are looked into for a method or for a field that the first does not have."""

FRESH = 5.0
"""Seconds. A method or field that an older schema does not have is looked for in a new one: versions get reused."""

LARGE = 64 * 1024
"""Bytes. Larger messages become JSON, and JSON messages, on another thread: it takes milliseconds."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What to call, to be made out once the service's endpoints are known. Both functions are pure.

    `find` chooses one of the endpoints, `payload` gives the JSON value for what it takes, a Descriptor or a JSONType;
    each raises a MusterError where it cannot. `size`: about how many bytes of JSON the payload has, if it may be large.
    """

    find: Callable[[Sequence[Endpoint]], Endpoint]
    payload: Callable[[Any], Any]
    size: int = 0


@dataclass(frozen=True, slots=True)
class Reply:
    """The answer as JSON values, and the metadata that came before it."""

    value: Any
    metadata: Metadata


@dataclass(frozen=True, slots=True)
class _Prepared:
    """A request for `node`, or for another that is like it."""

    node: Node[Link]
    schema: Offer
    endpoint: Endpoint
    message: Encoded


class Calls:
    """Calls by name over the channels of a transport, which has to outlive it."""

    def __init__(self, transport: GrpcTransport) -> None:
        self._transport = transport
        self._schemas = Schemas()

    async def call(
        self, name: str, method: str, payload: Any, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Any:
        """Calls `method` (`Say.Hello`, `pkg.Say.Hello` or `/pkg.Say/Hello`) of the service `name` with a JSON value.

        The answer is a JSON value, as `Schema.reply` makes it. `timeout` in seconds, for everything; the client's own
        where it is None. `metadata` goes with the call, and with the question for its schema. Raises

        - NoInstances, RegistryUnavailable: there is nobody to call;
        - Overloaded: more calls are under way than the client allows;
        - Fault UNIMPLEMENTED: no such method (its text lists what there is), a streaming one, or no server reflection;
        - Fault INVALID_ARGUMENT: the payload does not fit (its text names the field);
        - Rejected: a short name that means several methods;
        - Fault with any other code: what the call ended with.
        """
        wanted = Wanted(lambda endpoints: find(endpoints, method), lambda _: payload)
        return (await self.perform(name, wanted, timeout=timeout, metadata=metadata)).value

    async def perform(
        self, name: str, wanted: Wanted, *, timeout: float | None = None, metadata: Metadata = ()
    ) -> Reply:
        """As `call`, for a method and a payload that depend on what the service offers."""
        timeout = self._transport.calling(name).timeout if timeout is None else timeout
        deadline = deadline_of(timeout, time.monotonic())
        async with self._within(name, timeout):
            while True:
                prepared = await self._prepare(name, wanted, metadata)
                try:
                    return await self._send(name, prepared, deadline, metadata)
                except NoneAlike:
                    continue  # the version has gone; whoever is there now gets a request of its own

    async def endpoints(self, name: str, *, metadata: Metadata = ()) -> tuple[Endpoint, ...]:
        """What the service offers, as one of its instances tells it. Raises as `call` does."""
        transport = self._transport
        async with self._within(name, transport.calling(name).timeout), transport.pool(name).lease() as lease:
            assert lease.link is not None, "a node is chosen only while it has a link"
            return (await self._schemas.of(lease.instance, lease.link.channel, metadata=metadata)).endpoints

    @asynccontextmanager
    async def _within(self, name: str, timeout: float | None) -> AsyncIterator[None]:
        """A limit for everything. A registry that does not answer is not mistaken for a slow service."""
        try:
            async with asyncio.timeout(timeout):
                yield
        except TimeoutError:
            why = self._transport.pool(name).why()
            text = f"no time left: {why}" if why else f"no answer from {name!r} within {timeout:g} s"
            raise Fault("DEADLINE_EXCEEDED", text) from None

    async def _prepare(self, name: str, wanted: Wanted, metadata: Metadata) -> _Prepared:
        pool = self._transport.pool(name)
        looked = _Looked()
        while True:
            node = await pool.wait(looked)
            if node in looked:
                raise looked.fault
            if node.link is None or not node.link.connected:
                pool.suspect(node, "the connection was lost")
                continue
            try:
                return await self._prepare_for(node, wanted, metadata)
            except MusterError as fault:
                looked.add(node, fault)

    async def _prepare_for(self, node: Node[Link], wanted: Wanted, metadata: Metadata) -> _Prepared:
        with Lease(node) as lease:
            assert lease.link is not None, "a node is chosen only while it has a link"
            read = partial(self._schemas.of, lease.instance, lease.link.channel, metadata=metadata)
            schema = await read()
            try:
                return await _fill(node, schema, wanted)
            except MusterError:
                fresh = await read(max_age=FRESH)
                if fresh is schema:
                    raise
                return await _fill(node, fresh, wanted)

    async def _send(self, name: str, prepared: _Prepared, deadline: float | None, metadata: Metadata) -> Reply:
        schema, endpoint = prepared.schema, prepared.endpoint
        codec = (type(prepared.message).SerializeToString, partial(schema.decode, endpoint))
        idempotent = schema.idempotent(endpoint)
        pool, calling = self._transport.pool(name), self._transport.calling(name)
        method = Alike(pool, calling, endpoint.path, codec, prepared.node, idempotent=idempotent)
        terms = Terms(remaining(deadline, time.monotonic()), metadata or None, None, None, None)
        terms.own = calling.timeout  # what is left may be a stranger's deadline, or what finding the method has left
        call = unary_call(method, terms, prepared.message)
        try:
            answer = await call
        except grpc.aio.AioRpcError as error:
            raise _fault(error) from error
        value = await off_loop(answer.ByteSize(), partial(schema.reply, answer))
        return Reply(value, tuple(await call.initial_metadata()))


class _Looked(Collection[Node[Link]]):
    """The nodes that a method was looked for on, and all that are like them."""

    def __init__(self) -> None:
        self._nodes: list[Node[Link]] = []
        self._models: list[Instance] = []
        self.fault: MusterError = NoInstances("", "nobody was asked")

    def add(self, node: Node[Link], fault: MusterError) -> None:
        """What was wrong with an argument says more than that another version does not have the method."""
        code = fault.code if isinstance(fault, Fault) else ""
        if not self._nodes or code == "INVALID_ARGUMENT":
            self.fault = fault
        self._nodes.append(node)
        if code not in ("UNAVAILABLE", "DEADLINE_EXCEEDED"):
            self._models.append(node.instance)

    def __contains__(self, node: object) -> bool:
        if len(self._nodes) >= LOOKS or node in self._nodes:
            return True
        return isinstance(node, Node) and any(alike(node.instance, model) for model in self._models)

    def __iter__(self) -> Iterator[Node[Link]]:
        return iter(self._nodes)

    def __len__(self) -> int:
        return len(self._nodes)


async def _fill(node: Node[Link], schema: Offer, wanted: Wanted) -> _Prepared:
    endpoint = wanted.find(schema.endpoints)
    if endpoint.client_streaming or endpoint.server_streaming:
        raise Fault("UNIMPLEMENTED", f"{endpoint.path} is a streaming method: call it with a generated stub")
    descriptor = schema.request_type(endpoint)
    message = await off_loop(wanted.size, lambda: schema.request(endpoint, wanted.payload(descriptor)))
    return _Prepared(node, schema, endpoint, message)


async def off_loop(size: int, convert: Callable[[], T]) -> T:
    """What `convert` returns. For more than LARGE bytes it runs on another thread, so that the loop goes on."""
    return await asyncio.to_thread(convert) if size > LARGE else convert()


def _fault(error: grpc.aio.AioRpcError) -> MusterError:
    if isinstance(error.__cause__, MusterError):
        return error.__cause__
    return Fault(error.code().name, error.details() or "")
