"""Service: a program that others find and call."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Never, Self, TypeVar

from muster.app.doors import Door, checked, doors
from muster.app.given import check_given, several
from muster.app.handlers import Handlers, Lifespan, Made
from muster.app.keeping import Home, Kept, home
from muster.app.mount import Mount
from muster.app.part import ALONE, Part
from muster.grpc.offered import Adder, Offered
from muster.grpc.server import GRPCServer
from muster.grpc.typed import TypedHandlers
from muster.model.errors import BadConfiguration, Rejected
from muster.model.events import Observer
from muster.model.instance import GRPC, Instance, join_host_port
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.rpc.identity import DEFAULT_PATH
from muster.serve import hooks as run
from muster.serve import loop
from muster.serve.advertise import HERE, advertised, place_of
from muster.serve.checks import Checks, UserCheck, level_of
from muster.serve.entry import Label, compose, new_id
from muster.serve.health import HealthState
from muster.serve.hooks import Hook, Hooks
from muster.serve.life import Transport, live, prepared
from muster.serve.lifecycle import Readiness
from muster.serve.membership import Member
from muster.serve.mode import Mode, mode_of
from muster.serve.reach import by_grpc, by_http
from muster.serve.reporting import report, report_checks
from muster.serve.settings import TLS, Limits, Second, Timing, timing_of
from muster.serve.several import Companions, Transports
from muster.serve.signals import until_signalled
from muster.serve.zones import zone_of
from muster.telemetry.logging import EventLog

if TYPE_CHECKING:
    from muster.http.asgi import App
    from muster.http.typed.server import HTTPServer

H = TypeVar("H", bound=Hook)
C = TypeVar("C", bound=type)
L = TypeVar("L", bound=Lifespan)
P = TypeVar("P", bound=Part)


class Service:
    """A program that others find by `name` and call, by gRPC, by HTTP or both.

        service = muster.Service("greeter", version="1.2.0")
        service.add(add_SayServicer_to_server, Say())       # generated code, or with `handler` a class
        service.run()

    Making one does no I/O; every run of it is a new instance with an id of its own. For one event loop at a time.

    `registry`: a URL, or an open registry of the caller's; None: MUSTER_REGISTRY, or a Consul agent on this machine.
    `host`, `port`: where to listen; port 0 takes any free one. `advertise`: HOST:PORT that others connect to, where
    that is another (MUSTER_ADVERTISE). `register`: "self", "external" or "off" (MUSTER_REGISTER, "self").
    `protocols`: "grpc", "http" or both, the service's own first; None: gRPC, and HTTP too if there are handlers.
    `second`: name and port of the second of them.
    `tags`, `metadata`, `weight`, `zone` (MUSTER_ZONE, MUSTER_ZONE_FROM): what clients choose by.
    `interceptors` are grpc.aio server interceptors; health checks do not pass through them.
    `observe` hears what becomes of the registration; without it, log lines tell.

    Raises Rejected for a name or label that no registry takes, and BadConfiguration, which is one, for an argument of
    another type.
    """

    def __init__(
        self,
        name: str,
        version: str = "",
        *,
        registry: str | Registrar | None = None,
        host: str = "127.0.0.1",
        port: int = 0,
        advertise: str | None = None,
        register: str | None = None,
        protocols: Iterable[str] | None = None,
        second: Second | None = None,
        tags: Iterable[str] = (),
        metadata: Mapping[str, str] | None = None,
        weight: int = 1,
        zone: str = "",
        tls: TLS | None = None,
        limits: Limits | None = None,
        timing: Timing | None = None,
        interceptors: Iterable[object] = (),
        observe: Observer | None = None,
    ) -> None:
        check_given("Service", locals())  # which are its arguments so far
        self._label = Label(name, version, several(tags), dict(metadata or {}), weight, zone)
        self._registry = registry
        self._listen = (host, port)
        self._advertise = advertise
        self._register = register
        self._protocols = checked(protocols)
        self._second = second or Second()
        self._tls = tls
        self._limits = limits or Limits()
        self._timing = timing or Timing()
        self._interceptors = tuple(interceptors)
        self._observe = observe or EventLog()
        self._offered = Offered()
        self._handlers = Handlers()
        self._mount = Mount()
        self._hooks = Hooks()
        self._checks: dict[str, UserCheck] = {}
        self._run: _Run | None = None
        self._busy = False
        self._part: Part = ALONE
        compose(self._label, new_id(name), ("", 1), (), self._timing, by_grpc(tls))  # raises for what no registry takes

    @property
    def name(self) -> str:
        return self._label.name

    def add(self, adder: Adder, servicer: object) -> None:
        """Offer a gRPC service: a generated `add_X_to_server`, and the servicer that it takes. Before the start.

        Raises Rejected for what cannot be served, and for a service that was added before.
        """
        self._not_running()
        self._offered.add(adder, servicer)

    def handler(self, cls: C) -> C:
        """Offer the async methods of a class, by gRPC and by HTTP with JSON; a decorator. Before the start.

            @service.handler
            class Say:
                async def hello(self, request: HelloRequest) -> HelloReply: ...

        The class is made at the start, of what the `lifespan` yields; then Rejected is raised for methods and types
        that cannot be served. Raises it at once for a second class of the same name.
        """
        self._not_running()
        self._handlers.add(cls)
        return cls

    def mount(self, app: App) -> None:
        """Host an ASGI application (FastAPI, Starlette, Django) by HTTP, beside what else the service offers.

        It gets every request that is not a handler's, nor about health; websockets are refused. Its lifespan begins
        after the service's own and ends before it. Before the start. Raises Rejected for a second one, and for what is
        none; `running` raises LifespanFailed where it cannot start.
        """
        self._not_running()
        check_given("mount", {"app": app})
        self._mount.set(app)

    def lifespan(self, function: L) -> L:
        """An async generator that opens what handlers need, yields it once as a mapping, and closes it; a decorator.

        Handlers are made of what it yields, by the names of their constructors' parameters. It is entered after the
        before_start hooks and left before the after_stop hooks; what it raises ends the start, or is raised at the end.
        """
        if self._handlers.lifespan is not None:
            raise Rejected("there is a lifespan already: open everything in one")
        self._handlers.lifespan = function
        return function

    def before_start(self, hook: H) -> H:
        """Run `hook` before the service listens; what it raises ends the start. A decorator, as the next four are."""
        self._hooks.before_start.append(hook)
        return hook

    def after_start(self, hook: H) -> H:
        """Run `hook` once the first attempt to register has ended, well or not; what it raises stops the service."""
        self._hooks.after_start.append(hook)
        return hook

    def before_stop(self, hook: H) -> H:
        """Run `hook` while the service still serves and is registered; its time is part of `Timing.stop`."""
        self._hooks.before_stop.append(hook)
        return hook

    def after_stop(self, hook: H) -> H:
        """Run `hook` when everything is closed, also after a start that failed, if all before_start hooks had run."""
        self._hooks.after_stop.append(hook)
        return hook

    def register_check(self, check: H) -> H:
        """Register only once `check` passes. It fails by raising or by returning False, and is then run again.

        It is run again with every heartbeat too: after three failures in a row the instance leaves the registry, and
        comes back once it has passed twice in a row.
        """
        self._hooks.register_check.append(check)
        return check

    def check(
        self, *nothing: Never, every: float = 10.0, level: str = "critical", timeout: float = 5.0
    ) -> Callable[[H], H]:
        """Run a function every so many seconds, and say in the registry and at the health path what it finds.

            @service.check(every=30)
            async def database() -> None:
                await pool.execute("select 1")

        It fails by raising, by returning False, or by taking longer than `timeout` seconds; then the instance is
        critical, or with level="warning" a warning, which many readers other than muster's clients take for critical.
        What it raises is shown to whoever asks. The instance registers once all critical checks have passed. A function
        that is not async runs on a thread of its own. Raises Rejected for a second check of the same name, and
        where the parentheses are missing.
        """
        if nothing:
            raise BadConfiguration(
                "@service.check needs parentheses: write @service.check() or @service.check(every=30)"
            )

        def add(function: H) -> H:
            name = getattr(function, "__name__", "") or type(function).__name__
            if name in self._checks:
                raise Rejected(f"there is a check {name!r} already: rename one")
            self._checks[name] = UserCheck(name, function, every, level_of(level), timeout)
            return function

        return add

    def run(self) -> None:
        """Serve until SIGTERM, SIGINT or SIGQUIT, then drain and return. A second signal cuts the stop short.

        Blocks; for the main thread, with no event loop running. Raises as `running`.
        """
        loop.run(until_signalled(self.running()))

    async def serve(self) -> None:
        """Serve until cancelled, then drain; signals are the caller's. Raises as `running`."""
        async with self.running():
            await asyncio.get_running_loop().create_future()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Self]:
        """Serve while the body runs, then drain; being cancelled once more meanwhile cuts that short.

        The body begins when the service takes calls and the first attempt to register has ended. A registry that is
        away or refuses is no error: `readiness` and the events tell, and it is tried again. Raises BadConfiguration
        for an address, a file or a setting that cannot be used; what hooks raise; and Rejected while it runs already.
        """
        if self._busy:
            raise Rejected(f"{self.name!r} is running already: an object runs once at a time")
        self._busy = True
        try:
            settings = self._settings()
            async with (
                home(self._registry, settings.mode) as kept_at,
                prepared(self._hooks) as failures,
                self._handlers.made(self.name) as made,
                self._mount.begun(),
                self._listening(settings, kept_at, made) as current,
            ):
                self._run = current
                parts = current.transport, current.membership, current.health
                async with current.checks.running(), live(*parts, self._hooks, settings.timing, failures):
                    yield self
        finally:
            self._busy = False
            self._run = None

    @property
    def id(self) -> str:
        """The id of the instance that runs. This and the next six raise Rejected while none does."""
        return self.instance.id

    @property
    def port(self) -> int:
        """The port that is bound."""
        return self._current.port

    @property
    def address(self) -> str:
        """HOST:PORT that others connect to; with 127.0.0.1 where the registry's node gives the address."""
        return join_host_port(self.instance.host or "127.0.0.1", self.instance.port)

    @property
    def instance(self) -> Instance:
        """What the registry is told."""
        return self.instances[0]

    @property
    def instances(self) -> tuple[Instance, ...]:
        """The same for each of its protocols, its own first."""
        return tuple(each.instance for each in self._current.registrations)

    @property
    def registry(self) -> str:
        """Where it is registered, or to be; for people. Empty where it does not register by itself."""
        return self._current.registry

    @property
    def readiness(self) -> Readiness:
        """Whether the instance should get work, and what it waits for."""
        return self._current.health.readiness

    @property
    def _current(self) -> _Run:
        if self._run is None:
            raise Rejected(f"{self.name!r} is not running")
        return self._run

    def _settings(self) -> _Settings:
        """What was given, completed by the environment, which is read at every start."""
        return _Settings(
            mode_of(self._register or os.environ.get("MUSTER_REGISTER") or Mode.SELF),
            self._advertise or os.environ.get("MUSTER_ADVERTISE") or None,
            timing_of(self._timing, os.environ),
        )

    @asynccontextmanager
    async def _listening(self, settings: _Settings, kept_at: Home, made: Made) -> AsyncIterator[_Run]:
        doors = [await self._part.placed(door, self._listen[0]) for door in self._doors(settings)]
        names = {name for door in doors for name in (door.name, door.instance_id)}
        health = HealthState(names | self._services(made), settings.mode.standing)
        checks = Checks(tuple(self._checks.values()))
        checks.results.listen(health.checked)
        servers = [self._server(door, health, made) for door in doors]
        transport = servers[0] if len(servers) == 1 else Transports(servers)
        host = self._listen[0]
        try:
            bound = [
                replace(door, port=await server.listen(host, door.port))
                for door, server in zip(doors, servers, strict=True)
            ]
            zone = await zone_of(self._label.zone, os.environ)
            entries = [await self._entry(door, zone, kept_at, made) for door in bound]
            with self._membership(*self._part.keeps(kept_at, entries, health), checks) as membership:
                registry = str(kept_at.registrar or "")
                yield _Run(bound[0].port, registry, tuple(entries), health, checks, membership, transport)
        finally:
            await transport.stop(0)

    def _doors(self, settings: _Settings) -> tuple[Door, ...]:
        offers = bool(self._handlers.classes), bool(self._offered.services)
        protocols = self._mount.protocols(self._protocols, *offers)
        if GRPC not in protocols and self._offered.services:
            raise Rejected(f"{self.name!r} offers {', '.join(self._offered.services)} by gRPC: add it to protocols=")
        return tuple(doors(protocols, (self.name, self._listen[1], settings.advertise), self._second))

    def _services(self, made: Made) -> set[str]:
        """The full names of what is offered by gRPC."""
        typed = TypedHandlers(made.answering, made.document).services
        if twice := typed.intersection(self._offered.services):
            raise Rejected(f"{', '.join(sorted(twice))} is offered by generated code and by a handler: rename one")
        return {*self._offered.services, *typed}

    def _server(self, door: Door, health: HealthState, made: Made) -> GRPCServer | HTTPServer:
        if door.protocol == GRPC:
            typed = TypedHandlers(made.answering, made.document)
            return GRPCServer(self._offered, health, self._limits, self._tls, self._interceptors, typed)
        # uvicorn is not loaded for who serves gRPC alone.
        from muster.http.typed.app import Hosted
        from muster.http.typed.server import HTTPServer

        hosted = Hosted(door.instance_id, health, made.answering, made.document, self._mount.serving(health))
        return HTTPServer(hosted, self._limits, self._tls, self._part.incoming(door))

    async def _entry(self, door: Door, zone: str, kept_at: Home, made: Made) -> Registration:
        """What the registry is told of one protocol."""
        registrar = kept_at.registrar
        place = place_of(str(registrar)) if registrar else HERE
        where = await kept_at.do(advertised((self._listen[0], door.port), door.advertise, place, registrar))
        metadata = {**self._label.metadata, **made.metadata}
        label = replace(self._label, name=door.name, zone=zone, metadata=metadata)
        endpoints, reach = made.endpoints(self.name), by_http(DEFAULT_PATH, self._tls)
        if door.protocol == GRPC:
            endpoints, reach = (*self._offered.endpoints, *endpoints), by_grpc(self._tls)
        return compose(label, door.instance_id, where, endpoints, self._timing, reach)

    @contextmanager
    def _membership(self, kept_at: Home, entries: Sequence[Registration], checks: Checks) -> Iterator[Member]:
        async def gate() -> None:
            await run.gate(self._hooks.register_check)
            await checks.made.wait()

        first, *others = entries
        registrar = kept_at.registrar
        if registrar is not None and others:
            registrar = Companions(registrar, others)
        kept = Kept(first, gate, bool(self._hooks.register_check), checks, self._timing)
        with kept_at.member(kept, registrar) as membership:
            report(membership, first.instance, self._observe)
            report_checks(checks.results, first.instance, self._observe)
            yield membership

    def share(self, make: Callable[[str | Registrar | None, Timing], P]) -> P:
        """Be a part of a service that several processes run. For muster's own use, before the start.

        The part is made of the registry that was given, and of the timing. Raises BadConfiguration for MUSTER_DRAIN.
        """
        self._not_running()
        self._part = part = make(self._registry, timing_of(self._timing, os.environ))
        return part

    def _not_running(self) -> None:
        if self._busy:
            raise Rejected(f"{self.name!r} is running: add what it offers before")


@dataclass(frozen=True, slots=True)
class _Settings:
    mode: Mode
    advertise: str | None
    timing: Timing


@dataclass(frozen=True, slots=True)
class _Run:
    """The parts of one run."""

    port: int
    registry: str
    registrations: tuple[Registration, ...]
    health: HealthState
    checks: Checks
    membership: Member
    transport: Transport
