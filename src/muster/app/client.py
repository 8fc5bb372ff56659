"""Client: finds the instances of services, and calls them."""

from __future__ import annotations

import os
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, aclosing, closing
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import grpc.aio
import msgspec

from muster.app.arguments import check_client, methods
from muster.app.by_name import ByName
from muster.app.typed import stub
from muster.app.ways import Asked, Finder, Ways, document_of
from muster.balance.balancing import BALANCING, Balancing
from muster.balance.explanation import Explanation
from muster.balance.selector import several, wanted
from muster.call.breaker import Concurrency
from muster.call.deadline import DEFAULT_TIMEOUT
from muster.call.retry import RETRIES, RetryPolicy
from muster.client.connector import Link
from muster.client.pool import Pool, settled
from muster.client.pools import Pools
from muster.grpc.calls import Calls
from muster.grpc.transport import Dialing, GrpcTransport
from muster.http.client.dialing import Dialing as HTTPDialing
from muster.model.errors import BadConfiguration, RegistryUnavailable
from muster.model.events import Observer
from muster.model.snapshot import Answer, Pending, Snapshot
from muster.registry.protocol import Discovery, Registry
from muster.registry.url import open_registry
from muster.rpc.contract import operations
from muster.telemetry.logging import EventLog
from muster.watch.disk import Disk
from muster.watch.hub import WATCHING, Hub, Watching
from muster.watch.overrides import Overrides

if TYPE_CHECKING:
    import httpx

    from muster.http.client.session import Session
    from muster.http.client.transport import HTTPTransport

A = TypeVar("A")
T = TypeVar("T")


class Client:
    """Finds services by name and calls their instances directly.

        async with muster.Client() as client:
            say = SayStub(client.channel("greeter"))
            reply = await say.Hello(HelloRequest(name="world"))

    Making one does no I/O; use it inside its `async with`, in one event loop. One client a process is the right
    number: whatever it watches and connects to is shared by all that is done with it.

    `registry`: a URL, or an open registry of the caller's; None: MUSTER_REGISTRY, or a Consul agent on this machine.
    `timeout`: seconds for a unary call that names none; None: for ever.
    `idempotent`: methods that may be processed twice, so that they are retried also after a failure in which they may
    have been processed: "/pkg.Say/Hello", "/pkg.Say/*" or "*"; besides those whose proto says so.
    `retry`: how often and when. `concurrency`: limits for the calls to a service that are under way; None: none.
    `dialing`: credentials, options and interceptors of the connections to instances;
    `http`: TLS and limits of those that `client.http` makes.
    `balancing`: how instances are chosen, and which are left out. `watching`: which answers of the registry are
    doubted, and how long what was known is good.
    `cache_dir`: a folder for what was last known, for a start while the registry is away.
    `observe` hears of snapshots, failures and instances left out; without it, log lines tell.
    """

    def __init__(
        self,
        registry: str | Discovery | None = None,
        *,
        timeout: float | None = DEFAULT_TIMEOUT,
        idempotent: Iterable[str] = (),
        retry: RetryPolicy = RETRIES,
        concurrency: Concurrency | None = None,
        dialing: Dialing | None = None,
        http: HTTPDialing | None = None,
        balancing: Balancing = BALANCING,
        watching: Watching = WATCHING,
        cache_dir: Path | str | None = None,
        observe: Observer | None = None,
    ) -> None:
        """Raises BadConfiguration for arguments that cannot be used."""
        check_client(
            timeout,
            observe,
            registry=registry,
            retry=retry,
            concurrency=concurrency,
            dialing=dialing,
            http=http,
            balancing=balancing,
            watching=watching,
            cache_dir=cache_dir,
        )
        self._registry = registry
        self._watching = watching
        self._cache_dir = cache_dir
        self._observe = observe or EventLog()
        self._transport = partial(
            GrpcTransport,
            observe=self._observe,
            timeout=timeout,
            idempotent=methods(idempotent),
            policy=retry,
            concurrency=concurrency,
            dialing=dialing or Dialing(),
            balancing=balancing,
        )
        self._balancing = balancing
        self._concurrency = concurrency
        self._timeout = timeout
        self._dialing = http or HTTPDialing()
        self._http: HTTPTransport | None = None
        self._stack = AsyncExitStack()
        self._parts: _Parts | None = None

    async def __aenter__(self) -> Self:
        """Raises BadConfiguration for a registry URL, an override or a folder that cannot be used."""
        if self._parts is not None:
            raise RuntimeError("this client is open already")
        async with AsyncExitStack() as stack:
            discovery = await self._opened(stack)
            overrides = Overrides.configured(os.environ)
            disk = self._disk(str(discovery))
            hub = Hub(discovery, self._observe, overrides=overrides, disk=disk, watching=self._watching)
            await stack.enter_async_context(hub)
            ejects = partial(_ejects, overrides)
            retries, hedges = partial(_retries, overrides), partial(_hedges, overrides)
            transport = self._transport(hub, retries=retries, hedges=hedges, ejects=ejects)
            await stack.enter_async_context(transport)
            pools = stack.enter_context(closing(Pools(hub, self._balancing, self._observe, ejects=ejects)))
            secure = self._dialing.tls is not None
            finder = Finder(hub, transport, lambda: self._opened_http().session, secure, self._timeout)
            calls = ByName(Calls(transport), finder)
            self._parts = _Parts(discovery, hub, overrides, transport, calls, pools, finder)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Cancels the calls under way, closes every connection and ends every watch."""
        self._parts = self._http = None
        await self._stack.__aexit__(kind, error, trace)

    def channel(
        self,
        name: str,
        *,
        dc: Iterable[str] = (),
        tags: Iterable[str] = (),
        version: str = "",
        metadata: Mapping[str, str] | None = None,
        zone: str = "",
    ) -> grpc.aio.Channel:
        """A channel to the service `name`, for generated stubs: each call goes to one of its instances.

        `dc`: datacenters to find it in, where the registry has several, such as ["east", "west"]: west only while east
        has nobody to call. The others narrow down whom it calls: instances that have all these tags, a version such as
        "1.2.0", "1.x" or ">=1.2,<2", all these pairs of metadata, and are in that zone.

        The same channel for the same arguments; leave it open. Returns at once; watching and connecting begin now.
        Failures arrive as grpc.aio.AioRpcError, UNAVAILABLE where there is nobody to call: its text says why. Raises
        BadConfiguration for what cannot be wanted, such as a version that means nothing.
        """
        return self._open.transport.channel(name, several("dc", dc), wanted(tags, version, metadata, zone))

    def pool(
        self,
        name: str,
        *,
        dc: Iterable[str] = (),
        tags: Iterable[str] = (),
        version: str = "",
        metadata: Mapping[str, str] | None = None,
        zone: str = "",
    ) -> Pool[Link]:
        """The instances of `name`, for a protocol of your own: a database's replicas, a cache.

        Narrowed down as those of `channel`. The same one for the same arguments. Nothing connects to them, so the
        registry alone says who is healthy.
        """
        return self._open.pools.of(name, several("dc", dc), wanted(tags, version, metadata, zone))

    def service(
        self,
        contract: Callable[..., T],
        name: str,
        *,
        protocol: str = "",
        timeout: float | None = None,
        headers: Mapping[str, str] | None = None,
        dc: Iterable[str] = (),
        tags: Iterable[str] = (),
        version: str = "",
        metadata: Mapping[str, str] | None = None,
        zone: str = "",
    ) -> T:
        """An object with the methods of `contract`, a handler class or a Protocol of the same name, which call `name`.

            say = client.service(Say, "greeter")
            reply = await say.hello(HelloRequest(name="world"))

        By HTTP where the instances speak that alone, else by gRPC, unless `protocol` says which. `timeout`: seconds for
        each call; without it the client's own for one reply, and no end for streams. `headers` go with each call, as
        metadata by gRPC. The others narrow down whom it calls, as those of `channel`.

        Its methods raise Fault with the code that the service answered, NoInstances, RegistryUnavailable and
        Overloaded. Raises Rejected for a class that describes no calls, and BadConfiguration.
        """
        pairs = tuple((headers or {}).items())
        asked = Asked(protocol, timeout, pairs, several("dc", dc), wanted(tags, version, metadata, zone))
        found = operations(contract)
        return cast("T", stub(contract.__name__, found, name, self.ways(name, asked)))

    def ways(self, name: str, asked: Asked) -> Ways:
        """What `service` is made of: by which protocol to call `name`."""
        return self._open.finder.ways(name, asked)

    async def schema(self, name: str) -> Any:
        """What the handlers of `name` take and give: a JSON value, with JSON Schemas, as one of its instances tells it.

        Raises Fault UNIMPLEMENTED for a service without handlers, and as the methods of `service` do.
        """
        ways = self.ways(name, Asked())
        way = ways.now or await ways.known()
        return msgspec.json.decode(await document_of(name, way))

    async def explain(
        self,
        name: str,
        *,
        key: str | None = None,
        dc: Iterable[str] = (),
        tags: Iterable[str] = (),
        version: str = "",
        metadata: Mapping[str, str] | None = None,
        zone: str = "",
    ) -> Explanation:
        """Every instance of `name` as this client sees it: why it is called or not, and who would be, for `key`.

        By a channel that is narrowed down to these datacenters, tags and so on, as `channel` has it.

        Connects to them if nobody has called there yet, and waits some seconds for what they say. By gRPC, or by HTTP
        where they speak HTTP alone.
        """
        wants = several("dc", dc), wanted(tags, version, metadata, zone)
        pool: Pool[Any] = self._open.transport.pool(name, *wants)
        await settled(pool)
        if pool.speaks_only("http"):
            pool = self._opened_http().pool(name, *wants)
            await settled(pool)
        return pool.explain(key)

    async def call(
        self,
        name: str,
        method: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> Any:
        """Call a method of a service by name, JSON values in and out; no stub is needed.

        `method`: `Say.Hello`, or in full `/pkg.Say/Hello`. How it looks is asked of the instance, by gRPC reflection or
        of its typed handlers, once for each version. `timeout` in seconds, over everything; None: the client's. Raises
        Fault with the code that the service answered, INVALID_ARGUMENT for a payload that does not fit, UNIMPLEMENTED
        for a method that is not there; NoInstances; RegistryUnavailable; Rejected for a short name that fits several.
        """
        value = {} if payload is None else payload
        return await self.calls.call(name, method, value, timeout=timeout, metadata=tuple(metadata))

    @property
    def calls(self) -> ByName:
        """What `call` is made of: calls whose method and payload depend on what the service offers."""
        return self._open.calls

    @property
    def http(self) -> Session:
        """aiohttp's session interface, with a service's name where a host would be: `client.http.get("http://NAME/")`.

        The same pools, retries and budget rules as for gRPC; see `muster.http.client.session.Session`.
        """
        return self._opened_http().session

    def httpx_transport(self) -> httpx.AsyncBaseTransport:
        """For httpx: `httpx.AsyncClient(transport=client.httpx_transport())` calls services by name as `http` does.

        Raises BadConfiguration where httpx is not installed: it names the extra.
        """
        from muster.http.httpx import Transport

        return Transport(self.http)

    def overridden(self, name: str) -> bool:
        """Whether an override has a word on `name` now; its file is read again if it has changed. Raises
        BadConfiguration for overrides that cannot be used."""
        overrides = self._open.overrides
        overrides.load()
        return overrides.of(name) is not None

    async def watch(self, name: str) -> AsyncGenerator[Snapshot, None]:
        """What is known of `name`, now and whenever it changes; a slow reader gets the newest. Never ends by itself.

        A registry that does not answer is no error: the snapshot says so, as Stale, or as Pending with a reason.
        """
        subscription = self._open.hub.watch(name)
        try:
            async with aclosing(subscription.latest.__aiter__()) as snapshots:
                async for snapshot in snapshots:
                    if not isinstance(snapshot, Pending) or snapshot.why:
                        yield snapshot
        finally:
            subscription.close()

    async def snapshot(self, name: str) -> Answer:
        """What the registry says of `name`, asked now. Raises RegistryUnavailable and Denied."""
        return await _first(self._open.discovery.watch(name))

    async def names(self) -> Mapping[str, frozenset[str]]:
        """Every name that the registry knows, with the tags in use, asked now. Raises as `snapshot`."""
        return await _first(self._open.discovery.watch_names())

    @property
    def _open(self) -> _Parts:
        if self._parts is None:
            raise RuntimeError("the client is not open: use 'async with muster.Client() as client'")
        return self._parts

    def _opened_http(self) -> HTTPTransport:
        """What `http` is a part of, made when it is first used."""
        if self._http is None:
            self._http = self._new_http(self._open)
            self._stack.push_async_callback(self._http.close)
        return self._http

    def _new_http(self, parts: _Parts) -> HTTPTransport:
        # aiohttp is not loaded for who calls by gRPC alone.
        from muster.http.client.shared import Opening
        from muster.http.client.transport import HTTPTransport

        ejects = partial(_ejects, parts.overrides)
        tend = parts.transport.tend
        opening = Opening(parts.hub, tend, self._dialing, self._observe, self._balancing, ejects, self._concurrency)
        retries, hedges = partial(_retries, parts.overrides), partial(_hedges, parts.overrides)
        return HTTPTransport(opening, parts.transport.retrier, timeout=self._timeout, retries=retries, hedges=hedges)

    async def _opened(self, stack: AsyncExitStack) -> Discovery:
        """The registry to read from; one that is opened here is closed with the client."""
        registry = self._registry
        if registry is not None and not isinstance(registry, str):
            return registry
        return _readable(await stack.enter_async_context(open_registry(registry)))

    def _disk(self, registry: str) -> Disk | None:
        if self._cache_dir is None:
            return None
        disk = Disk(Path(self._cache_dir), registry, max_age=self._watching.cached)
        disk.prepare()
        return disk


@dataclass(frozen=True, slots=True)
class _Parts:
    """What an open client is made of."""

    discovery: Discovery
    hub: Hub
    overrides: Overrides
    transport: GrpcTransport
    calls: ByName
    pools: Pools
    finder: Finder


def _readable(registry: Registry) -> Discovery:
    if not isinstance(registry, Discovery):
        raise BadConfiguration(f"{registry} cannot be read, so a client finds nobody there: choose another registry")
    return registry


def _hedges(overrides: Overrides, name: str) -> bool:
    override = overrides.of(name)
    return override is None or override.hedging


def _ejects(overrides: Overrides, name: str) -> bool:
    override = overrides.of(name)
    return override is None or override.ejection


def _retries(overrides: Overrides, name: str) -> bool:
    override = overrides.of(name)
    return override is None or override.retries


async def _first(answers: AsyncGenerator[A, None]) -> A:
    async with aclosing(answers):
        async for answer in answers:
            return answer
    raise RegistryUnavailable("the registry gave no answer")
