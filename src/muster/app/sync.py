"""Client for threads: what `muster.Client` is for an event loop."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Generator, Iterable, Mapping
from functools import partial
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar, cast

import grpc

from muster.app.arguments import methods
from muster.app.client import Client as AsyncClient
from muster.app.sync_typed import sync_stub
from muster.app.ways import Asked
from muster.balance.balancing import BALANCING, Balancing
from muster.balance.explanation import Explanation
from muster.balance.selector import Selector, several, wanted
from muster.call.breaker import Concurrency
from muster.call.deadline import DEFAULT_TIMEOUT
from muster.call.retry import RETRIES, RetryPolicy
from muster.client.background import Opened, background, starting
from muster.client.connector import Link
from muster.client.pool import Pool
from muster.client.sync_pool import SyncPool
from muster.grpc.sync.channel import Channel, Service
from muster.grpc.sync.dialing import SyncDialing
from muster.grpc.sync.fork import prepare
from muster.grpc.transport import Dialing
from muster.http.client.dialing import Dialing as HTTPDialing
from muster.model.events import Observer
from muster.model.snapshot import Answer, Snapshot
from muster.registry.protocol import Discovery
from muster.watch.hub import WATCHING, Watching

if TYPE_CHECKING:
    from muster.http.client.session import Session
    from muster.http.requests import Adapter

T = TypeVar("T")

_Key = tuple[str, tuple[str, ...], Selector]
"""A name, datacenters, and whom to call there."""


class Client:
    """Finds services by name and calls their instances directly, for threads: Flask, Django, Celery, scripts.

        with muster.sync.Client() as client:
            say = SayStub(client.channel("greeter"))
            reply = say.Hello(HelloRequest(name="world"))

    In a server, make one for the process, `open` it where the application is made, and let it live: whatever it
    watches and connects to is shared by all threads. Discovery runs on one thread in the background.

    It may be opened before a fork, as gunicorn with `--preload`, Celery and multiprocessing do: a child begins anew
    with its first call, and what was made of the client before, channels, stubs and pools, works there.

    The arguments are those of `muster.Client`. The interceptors of `dialing` are those of grpc.intercept_channel;
    `observe` is called on any thread.
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
        self._dialing = dialing or Dialing()
        self._client = partial(
            AsyncClient,
            registry,
            timeout=timeout,
            idempotent=methods(idempotent),
            retry=retry,
            concurrency=concurrency,
            http=http,
            balancing=balancing,
            watching=watching,
            cache_dir=cache_dir,
            observe=observe,
        )
        self._client(dialing=dialing)  # does nothing but look at its arguments
        self._open = False
        self._opened: Opened[AsyncClient] | None = None
        self._channels: dict[_Key, Channel] = {}
        prepare()

    def open(self) -> Self:
        """Begin, as entering it does. Raises BadConfiguration for what cannot be used."""
        if self._open:
            raise RuntimeError("this client is open already")
        self._open = True
        try:
            self._here()
        except BaseException:
            self._open = False
            raise
        return self

    def close(self) -> None:
        """Cancels the calls under way, closes every connection and ends every watch. May be called again."""
        with starting():
            self._open = False
            opened, self._opened = self._opened, None
            self._channels = {}
        if opened is not None:
            opened.close()

    def __enter__(self) -> Self:
        return self.open()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def channel(
        self,
        name: str,
        *,
        dc: Iterable[str] = (),
        tags: Iterable[str] = (),
        version: str = "",
        metadata: Mapping[str, str] | None = None,
        zone: str = "",
    ) -> grpc.Channel:
        """A channel to the service `name`, for generated stubs: each call goes to one of its instances.

        The arguments are those of `muster.Client.channel`. The same one for the same arguments; leave it open. Watching
        and connecting begin with the first call. Failures arrive as grpc.RpcError, UNAVAILABLE where there is nobody to
        call: its text says why. Raises BadConfiguration for a version that means nothing.
        """
        self._must_be_open()
        key = name, several("dc", dc), wanted(tags, version, metadata, zone)
        with starting():
            channel = self._channels.get(key)
            if channel is None or channel.closed:
                channel = self._channels[key] = Channel(partial(self._service, key))
            return channel

    def pool(
        self,
        name: str,
        *,
        dc: Iterable[str] = (),
        tags: Iterable[str] = (),
        version: str = "",
        metadata: Mapping[str, str] | None = None,
        zone: str = "",
    ) -> SyncPool[Link]:
        """The instances of `name`, for a protocol of your own: a database's replicas, a cache.

        The arguments are those of `muster.Client.pool`. Nothing connects to the instances, so the registry alone says
        who is healthy. Watching begins with the first pick.
        """
        self._must_be_open()
        key = name, several("dc", dc), wanted(tags, version, metadata, zone)
        return SyncPool(partial(self._pool, key))

    def requests_adapter(self) -> Adapter:
        """For the `requests` library: `session.mount("http://greeter/", client.requests_adapter())` makes its requests
        go to the instances of `greeter`. Raises BadConfiguration without the extra `requests`."""
        from muster.http.requests import Adapter

        self._must_be_open()
        return Adapter(self._with_session)

    def explain(
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
        """Every instance of `name` as this client sees it. As `muster.Client.explain`."""
        here = self._here()
        asked = here.value.explain(name, key=key, dc=dc, tags=tags, version=version, metadata=metadata, zone=zone)
        return here.run(asked)

    def call(
        self,
        name: str,
        method: str,
        payload: Any = None,
        *,
        timeout: float | None = None,
        metadata: Iterable[tuple[str, str | bytes]] = (),
    ) -> Any:
        """Call a method of a service by name, JSON values in and out; no stub is needed. As `muster.Client.call`."""
        here = self._here()
        return here.run(here.value.call(name, method, payload, timeout=timeout, metadata=metadata))

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
        """An object with the methods of `contract`, which call `name` and wait: a Protocol with the name of the handler
        class, whose methods are plain, and whose streams are Iterators. As `muster.Client.service`."""
        self._must_be_open()
        pairs = tuple((headers or {}).items())
        asked = Asked(protocol, timeout, pairs, several("dc", dc), wanted(tags, version, metadata, zone))
        return cast("T", sync_stub(contract, name, asked, self._here))

    def watch(self, name: str) -> Generator[Snapshot, None, None]:
        """What is known of `name`, now and whenever it changes; waits in between. As `muster.Client.watch`."""
        here = self._here()
        snapshots = here.value.watch(name)
        try:
            while True:
                yield here.run(_next(snapshots))
        finally:
            if not here.background.abandoned:
                here.background.start(snapshots.aclose())

    def snapshot(self, name: str) -> Answer:
        """What the registry says of `name`, asked now. Raises RegistryUnavailable and Denied."""
        here = self._here()
        return here.run(here.value.snapshot(name))

    def names(self) -> Mapping[str, frozenset[str]]:
        """Every name that the registry knows, with the tags in use, asked now. Raises as `snapshot`."""
        here = self._here()
        return here.run(here.value.names())

    def _must_be_open(self) -> None:
        if not self._open:
            raise RuntimeError("the client is not open: use 'with muster.sync.Client() as client', or client.open()")

    def _here(self) -> Opened[AsyncClient]:
        """The client on this process's loop, opened anew after a fork."""
        opened = self._opened
        if opened is not None and not opened.background.abandoned:
            return opened
        with starting():
            self._must_be_open()
            if self._opened is None or self._opened.background.abandoned:
                loop = background()
                self._opened = loop.open(self._client(dialing=SyncDialing.of(self._dialing, loop)))
            return self._opened

    def _service(self, key: _Key) -> Service:
        opened = self._here()
        return opened.run(_service(opened, key))

    def _pool(self, key: _Key) -> tuple[Opened[AsyncClient], Pool[Link]]:
        name, dc, selector = key
        opened = self._here()
        with opened.background.inside:
            return opened, opened.value.pool(name, dc=dc, **_wishes(selector))

    def _with_session(self, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
        opened = self._here()
        return opened.run(_with_session(opened.value, work))


async def _service(opened: Opened[AsyncClient], key: _Key) -> Service:
    name, dc, selector = key
    return Service(opened, opened.value.channel(name, dc=dc, **_wishes(selector)))


def _wishes(selector: Selector) -> dict[str, Any]:
    return {key: getattr(selector, key) for key in ("tags", "version", "metadata", "zone")}


async def _with_session(client: AsyncClient, work: Callable[[Session], Coroutine[Any, Any, T]]) -> T:
    return await work(client.http)


async def _next(snapshots: AsyncGenerator[Snapshot, None]) -> Snapshot:
    return await anext(snapshots)
