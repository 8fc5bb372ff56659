"""The channels of one client: their connections, tasks and budget."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable, Sequence
from contextvars import Context, copy_context
from dataclasses import dataclass
from functools import partial
from random import Random
from types import TracebackType
from typing import Any, Protocol, Self

import grpc
import grpc.aio

from muster.balance.balancing import BALANCING, Balancing
from muster.balance.selector import ANY, Selector
from muster.call.attempt import Retrier
from muster.call.breaker import Concurrency
from muster.call.budget import RetryBudget
from muster.call.deadline import DEFAULT_TIMEOUT
from muster.call.hedge import Hedger
from muster.call.retry import RETRIES, Idempotent, RetryPolicy
from muster.client.connector import Report
from muster.client.members import Members
from muster.client.pool import Pool
from muster.client.turnstile import Turnstile
from muster.grpc.channel import Channel
from muster.grpc.connection import Connection
from muster.grpc.link import Link, Spawn
from muster.grpc.method import Calling
from muster.model.errors import BadConfiguration
from muster.model.events import Observer, ignore
from muster.model.instance import GRPC, Instance
from muster.model.snapshot import Snapshot
from muster.model.typed import check_types
from muster.watch.background import background_tasks, unrelated
from muster.watch.latest import Latest

_OPTIONS = (
    # Instances that share an address, one after the other, must not share a connection.
    ("grpc.use_local_subchannel_pool", 1),
    # gRPC's own transparent retry may connect anew, to whoever listens at the address by then.
    ("grpc.enable_retries", 0),
    # An idle channel disconnects after 30 minutes; an instance counts as ready while it is connected.
    ("grpc.client_idle_timeout_ms", 2**31 - 1),
    ("grpc.keepalive_timeout_ms", 10_000),
    # grpcio 1.85 goes by this one, whose default is a minute, and not by the one above.
    ("grpc.http2.ping_timeout_ms", 10_000),
)

_KEEPALIVE = (
    ("grpc.keepalive_time_ms", 20_000),
    # Idle connections too, however long no data goes over them.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
)
"""An instance whose machine has vanished, or which a firewall has forgotten, is noticed within 30 s; the shortest idle
times of firewalls and NATs are about 60 s. gRPC's own threads answer pings, however busy a Python program is."""

_FOREIGN_KEEPALIVE = (("grpc.keepalive_time_ms", 330_000),)
"""Servers hang up on who pings more often than every 5 minutes, or at all while no call is under way, unless they are
told to bear it as muster's are. This is still below the 350 s after which the load balancers and NATs of AWS forget a
connection."""

OLD = 1800.0
"""Seconds after which a connection is replaced: certificates that were renewed, and hosts that resolve to another
address, come into use; half an hour makes the price, one handshake, invisible."""


@dataclass(frozen=True)
class Dialing:
    """How channels to instances are made, as grpc.aio.secure_channel takes it. No credentials: no TLS.

    With TLS the certificate must be good for the address that is registered, or for the name given in the option
    `grpc.ssl_target_name_override`. `options` win over muster's own. `age`: seconds after which a connection is
    replaced by a new one, without harm to any call; None: never.
    """

    credentials: grpc.ChannelCredentials | None = None
    options: Sequence[tuple[str, Any]] = ()
    compression: grpc.Compression | None = None
    interceptors: Sequence[grpc.aio.ClientInterceptor] = ()
    age: float | None = OLD

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        if self.age is not None and self.age <= 0:
            raise BadConfiguration(f"age={self.age}: must be above 0, or None for no end")

    def dial(self, instance: Instance) -> grpc.aio.Channel:
        """A channel to one instance, not connected yet."""
        kinds = {**self.kinds(instance), "interceptors": tuple(self.interceptors)}
        # Looked up in grpc.aio at every call: tracing libraries replace these functions.
        if self.credentials is None:
            return grpc.aio.insecure_channel(instance.address, **kinds)
        return grpc.aio.secure_channel(instance.address, self.credentials, **kinds)

    def kinds(self, instance: Instance) -> dict[str, Any]:
        """The arguments of a channel to `instance` that sync and async channels share."""
        keepalive = _KEEPALIVE if instance.verifiable else _FOREIGN_KEEPALIVE
        options = dict((*_OPTIONS, *keepalive, *self.options))
        return {"options": tuple(options.items()), "compression": self.compression}


class Watching(Protocol):
    """A share in the watch of a name, as a hub gives it."""

    @property
    def latest(self) -> Latest[Snapshot]: ...

    def close(self) -> None: ...


class Watcher(Protocol):
    """What is needed of a hub."""

    def watch(self, name: str, datacenters: tuple[str, ...] = ()) -> Watching: ...


_Key = tuple[str, tuple[str, ...], Selector]
"""A name, and the datacenters to find it in; none are those of the registry's URL."""


class GrpcTransport:
    """Channels by name. Enter it, then ask for channels; leaving closes them and cancels their calls.

    `idempotent`: methods that may be processed twice, as `call.retry.Idempotent` takes them, besides those whose proto
    says so. `concurrency`: limits for each channel. For calls to `name` at this moment, `retries(name)` tells whether
    failed attempts may be repeated, `hedges(name)` whether calls may be sent twice, and `ejects(name)` whether failures
    may be held against instances. All channels share one `retrier` and its budget. For one event loop.
    """

    def __init__(
        self,
        hub: Watcher,
        *,
        observe: Observer = ignore,
        dialing: Dialing = Dialing(),
        timeout: float | None = DEFAULT_TIMEOUT,
        idempotent: Iterable[str] = (),
        policy: RetryPolicy = RETRIES,
        concurrency: Concurrency | None = None,
        retries: Callable[[str], bool] = lambda name: True,
        hedges: Callable[[str], bool] = lambda name: True,
        balancing: Balancing = BALANCING,
        ejects: Callable[[str], bool] = lambda name: True,
    ) -> None:
        if timeout is not None and timeout <= 0:
            raise BadConfiguration(f"timeout={timeout}: must be above 0, or None for no end")
        self._hub = hub
        self._observe = observe
        self._dialing = dialing
        self._timeout = timeout
        self._idempotent = Idempotent(idempotent)
        self._concurrency = concurrency
        self._retries = retries
        self._hedges = hedges
        self._balancing = balancing
        self._ejects = ejects
        self._rng = Random()
        self.retrier = Retrier(policy, RetryBudget(), self._rng)
        self._open: dict[_Key, _Service] = {}
        self._found: dict[tuple[str, tuple[str, ...]], _Found] = {}
        self._tasks: set[asyncio.Task[Any]] = set()
        self._group: asyncio.TaskGroup | None = None

    async def __aenter__(self) -> Self:
        self._background = background_tasks()
        self._group = await self._background.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._group is not None
        for key in tuple(self._open):
            await self._close(key, None)
        for task in tuple(self._tasks):
            task.cancel()
        await self._background.__aexit__(kind, error, trace)
        self._group = None

    def channel(self, name: str, datacenters: tuple[str, ...] = (), selector: Selector = ANY) -> Channel:
        """The channel to the instances of `name` that `selector` wants: the same one until it is closed. Following and
        connecting begin now.

        Raises BadConfiguration for an override of the name that cannot be used, and for datacenters where the registry
        knows of none.
        """
        return self._service((name, datacenters, selector)).channel

    def pool(self, name: str, datacenters: tuple[str, ...] = (), selector: Selector = ANY) -> Pool[Link]:
        """The pool behind that channel; a lease's `link.channel` is the channel to that instance alone."""
        return self._service((name, datacenters, selector)).pool

    def calling(self, name: str) -> Calling:
        """How calls on the channel to `name` are made."""
        return self._service((name, (), ANY)).calling

    def _service(self, key: _Key) -> _Service:
        service = self._open.get(key)
        if service is None:
            service = self._open[key] = self._new_service(key)
            service.pool.open()
        return service

    def _new_service(self, key: _Key) -> _Service:
        name, _, selector = key
        found = self._found_for(key)
        pool = Pool.of(found.members, selector)
        hedging = self.retrier.policy.hedging
        calling = Calling(
            self.retrier,
            self.spawn,
            self._idempotent,
            self._timeout,
            self._observe,
            partial(self._retries, name),
            None if self._concurrency is None else Turnstile(pool, self._concurrency, self._observe),
            None if hedging is None else Hedger(hedging),
            partial(self._hedges, name),
        )
        found.users += 1
        return _Service(found, pool, calling, Channel(pool, calling, partial(self._close, key)))

    def _found_for(self, key: _Key) -> _Found:
        """What channels to the same name in the same datacenters share."""
        name, datacenters, _ = key
        found = self._found.get((name, datacenters))
        if found is None:
            watching = self._hub.watch(name, datacenters)
            links = _Links(self._dialing, self.tend, self._rng)
            ejects = partial(self._ejects, name)
            members = Members(watching.latest, GRPC, links, self._balancing, ejects, self._observe)
            found = self._found[name, datacenters] = _Found(watching, links, members)
        return found

    async def _close(self, key: _Key, grace: float | None) -> None:
        service = self._open.pop(key, None)
        if service is None:
            return
        service.pool.close()
        found = service.found
        found.users -= 1
        if not found.users:
            del self._found[key[:2]]
            found.watching.close()
            await found.links.close(grace)

    def spawn(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """Run a coroutine as a task of this transport: it ends no later than the transport. It must not raise."""
        return self._run(coroutine, copy_context())

    def tend(self, coroutine: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
        """As `spawn`, for what serves every call and outlives the one that happens to begin it: a connection."""
        return self._run(coroutine, unrelated())

    def _run(self, coroutine: Coroutine[Any, Any, Any], context: Context) -> asyncio.Task[Any]:
        if self._group is None:
            coroutine.close()
            raise RuntimeError("the client is not open: use 'async with'")
        task = self._group.create_task(coroutine, context=context)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task


@dataclass
class _Found:
    """The instances of a name and the connections to them, and how many channels share them."""

    watching: Watching
    links: _Links
    members: Members[Link]
    users: int = 0


@dataclass(frozen=True)
class _Service:
    found: _Found
    pool: Pool[Link]
    calling: Calling
    channel: Channel


class _Links:
    """The connections to the instances of one name: their Connector."""

    def __init__(self, dialing: Dialing, spawn: Spawn, rng: Random):
        self._dialing = dialing
        self._spawn = spawn
        self._rng = rng
        self._links: set[Link] = set()

    def connect(self, instance: Instance, report: Report[Link]) -> Connection:
        connection = Connection(instance, report, partial(self._dial, instance), self._rng, self._dialing.age)
        connection.open(self._spawn)
        return connection

    def _dial(self, instance: Instance) -> Link:
        link = Link(self._dialing.dial(instance), self._spawn)
        self._links = {other for other in self._links if not other.closed} | {link}
        return link

    async def close(self, grace: float | None) -> None:
        """Close every link, also those whose calls are not done, after `grace` seconds."""
        async with asyncio.TaskGroup() as group:
            for link in self._links:
                group.create_task(link.close(grace))
