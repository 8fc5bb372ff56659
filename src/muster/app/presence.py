"""An application in the registry, while a server that is not muster's serves it.

    the server starts, the port is found, the application answers there, it registers
    (the port is known at once where other processes have found it, and registered)
    ... until SIGTERM, SIGINT or the end of the server ...
    deregister, drain, hand the signal on to the server

Processes that share a port are one instance: see muster.serve.lease.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Awaitable, Callable, Container, Iterator
from contextlib import AbstractAsyncContextManager, contextmanager
from dataclasses import dataclass, replace
from functools import partial

from muster.app.joining import LISTEN, Joining
from muster.app.keeping import Home, Kept, home
from muster.app.retiring import port_closer
from muster.app.told_by_event import event_interposed
from muster.model.errors import MusterError
from muster.model.events import Event, RegistrationChanged, RegistrationState
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.serve.advertise import HERE, advertised, place_of
from muster.serve.checks import Checks
from muster.serve.entry import compose, new_id
from muster.serve.health import HealthState, Report
from muster.serve.hooks import Hooks
from muster.serve.interposed import interposed
from muster.serve.lease import Lease, Shared
from muster.serve.life import DEREGISTER_LIMIT, Failures, live
from muster.serve.lifecycle import Phase
from muster.serve.listeners import Listener, listeners, parent_has
from muster.serve.mode import Mode
from muster.serve.reach import Reach
from muster.serve.reporting import report
from muster.serve.sharing import SharedRegistrar
from muster.serve.zones import zone_of

log = logging.getLogger("muster.serve")

LOOK_EVERY = 0.05
PATIENCE = 5.0
LATER = 1.0
"""Seconds between two looks for the port; how long until it is said that there is none; and between looks from then."""

RETIREMENT = 0.5
"""Seconds for the connections of a worker that is to be replaced to have their last answer. It takes no new ones then,
and the next worker is not started before it has ended."""

REPLACEMENT = 30.0
"""Seconds for the next worker to begin, before another one retires all the same."""

TURN = 0.1
"""Seconds between two looks whether it has begun."""

Seek = Callable[[Listener], Awaitable[Reach | None]]
"""How the application is reached at a listener; None where it does not answer there (yet)."""

Proof = Callable[[Listener, Reach, str], Awaitable[None]]
"""The register check: raises unless the instance with that id answers there."""

Same = Callable[[Shared], Reach]
"""How the application is reached where others that serve it at the same socket have registered it."""


class Presence:
    """One run of an application under a server. For one event loop.

    `id` and `health` are there once the port is found; until then, and where nothing can be registered at all, `why`
    says what is missing.
    """

    def __init__(self, joining: Joining, seek: Seek, proof: Proof, same: Same | None = None) -> None:
        self.id = ""
        self.health: HealthState | None = None
        self.why = "looking for the port that the server listens at"
        self.leaving = False
        self.checked = asyncio.Event()
        """Set once the register check has passed, here or at others, so that calls are welcome, or will not be made any
        more."""
        self._joining = joining
        self._lease: Lease | None = None
        self._seek = seek
        self._proof = proof
        self._same = same
        self._adopted: tuple[Listener, Reach] | None = None
        self._signalled = False
        self._retiring = False
        self._end = asyncio.Event()
        self._over = asyncio.Event()
        self._finding: asyncio.Timeout | None = None
        self._ended = asyncio.Event()
        self._ended.set()

    def start(self, tasks: asyncio.TaskGroup) -> None:
        """Find the port, be registered, and leave when a signal comes or `end` is called. Not to be called twice.

        Nothing is raised into `tasks`: a server goes on without its registration, and the health path says why.
        """
        self._ended.clear()
        self.adopt()
        tasks.create_task(self._survive(), name="muster: keep registered")

    async def end(self) -> None:
        """The server stops, and takes no calls any more: leave the registry, and do not wait for clients to notice.

        Returns when everything is closed; at once if nothing was started, or all is over."""
        self._over.set()
        await self.leave()

    def retire(self) -> None:
        """The process has served what it was to serve: leave as at SIGTERM, and then stop the server by one.

        Processes that share a port do so one by one, and serve on until it is their turn.
        """
        if self._end.is_set():
            return
        if self._lease is not None and not self._lease.take_turn(REPLACEMENT):
            asyncio.get_running_loop().call_later(TURN, self.retire)
            return
        self._retiring = True
        if self._ended.is_set():
            signal.raise_signal(signal.SIGTERM)
        else:
            self._over.set()
            self._begin_to_end()

    def adopt(self, asked: str = "") -> None:
        """Be the instance that others are at the same socket, from now on, if they have registered it: they have proven
        that the application answers there. `asked`: an id that somebody has asked for here, which proves it too.

        Reads a small file for each listener, unless the id is known already.
        """
        if self.id or self._end.is_set() or self._same is None or self._joining.mode is not Mode.SELF:
            return
        for listener in self._candidates():
            lease = Lease(self._joining.label.name, listener)
            known = lease.known()
            if known is not None and (known.registered or known.id == asked):
                self._adopted = listener, self._same(known)
                self._known_as(self._join(lease, known.tls))
                self._stop_looking()
                return

    @property
    def vouched(self) -> bool:
        """Whether others serve as the instance whatever becomes of this process, which begins or leaves."""
        if self.leaving:
            return self.goes_on
        return self._adopted is not None and self.health is not None and not self.health.reports.value.serving

    async def leave(self) -> None:
        """As `end`, while the server still takes calls: clients get the time to notice."""
        self._begin_to_end()
        await self._ended.wait()

    def _begin_to_end(self) -> None:
        self._end.set()
        self._stop_looking()

    def _stop_looking(self) -> None:
        if self._finding is not None:
            self._finding.reschedule(asyncio.get_running_loop().time())

    def _is_registered(self) -> bool:
        """Whether the entry is there, by whoever of those who share the port wrote it; also from another thread."""
        told = self._lease.told() if self._lease else None
        return told is not None and told.registered

    @property
    def goes_on(self) -> bool:
        """Whether the instance stays while this process leaves: others serve it, or will."""
        told = self._lease.told() if self._lease else None
        return told is not None and told.id == self.id

    async def _survive(self) -> None:
        try:
            await self._run()
        except MusterError as error:
            self.why = str(error)
            log.error("%s is not registered: %s", self._joining.label.name, error)
        except Exception as error:
            self.why = repr(error)
            log.exception("%s is not registered", self._joining.label.name)
        finally:
            self._ended.set()
            self.checked.set()
            if self._retiring and not self._signalled:
                signal.raise_signal(signal.SIGTERM)

    async def _run(self) -> None:
        """All of it, to the closing of the registry: servers cancel what is left once `end` has returned.

        Signals are taken before anything else is waited for: the process gets calls from the moment that its id is
        known, and a server that hears of a signal first would cut them off.
        """
        inherited = listeners()
        if (found := await self._found()) is not None:
            close_port = port_closer()
            with event_interposed(self._begin_to_end), interposed(self._signal):
                if self._adopted is not None:
                    self.checked.set()
                async with self._home() as kept_at:
                    await self._stay(kept_at, close_port, *found)
            return
        async with self._home() as kept_at:
            for listener in inherited:
                await self._leave_unseen(kept_at, listener)

    def _home(self) -> AbstractAsyncContextManager[Home]:
        return home(self._joining.registry, self._joining.mode)

    async def _leave_unseen(self, kept_at: Home, listener: Listener) -> None:
        """Stopped before the application answered: those that it was to replace may have left the entry to it."""
        self._signalled = not self._retiring
        with self._joined(listener, kept_at.registrar) as (instance_id, registrar):
            if registrar is None or not self._is_registered():
                return
            try:
                async with asyncio.timeout(DEREGISTER_LIMIT):
                    await kept_at.do(registrar.deregister(instance_id))
            except (MusterError, TimeoutError) as error:
                log.warning("%s is left in the registry until it expires: %s", instance_id, error or "no answer")

    async def _stay(self, kept_at: Home, close_port: Callable[[], None], listener: Listener, reach: Reach) -> None:
        joining = self._joining
        with self._joined(listener, kept_at.registrar, reach.tls) as (instance_id, registrar):
            entry = await self._entry(kept_at, listener, reach, instance_id)
            gate = partial(self._proof, listener, reach, instance_id) if self._adopted is None else _proven
            kept = Kept(entry, gate, False, Checks(()), joining.timing, self._is_registered)
            with kept_at.member(kept, registrar) as membership:
                report(membership, entry.instance, partial(self._observe, close_port))
                health = self.health or self._known_as(instance_id)
                server = _Server(partial(self._retired, close_port))
                async with live(server, membership, health, Hooks(), joining.timing, Failures(), self._over):
                    await self._end.wait()

    async def _retired(self, close_port: Callable[[], None]) -> None:
        """Before the server of a process that is replaced stops: connections that it has taken have their answers."""
        if self._retiring:
            close_port()
            await asyncio.sleep(RETIREMENT)

    async def _entry(self, kept_at: Home, listener: Listener, reach: Reach, instance_id: str) -> Registration:
        joining, registrar = self._joining, kept_at.registrar
        place = place_of(str(registrar)) if registrar else HERE
        bound = listener.host, listener.port
        where = await kept_at.do(advertised(bound, joining.advertise, place, registrar))
        label = replace(joining.label, zone=await zone_of(joining.label.zone, os.environ))
        # uvicorn resets connections that it has not read from when a worker ends (--max-requests): the registry's look
        # may meet that once, but hardly twice in a row.
        patient = replace(reach, failures=2) if parent_has(listener) else reach
        return compose(label, instance_id, where, (), joining.timing, patient)

    def _known_as(self, instance_id: str) -> HealthState:
        self.id = instance_id
        self.health = HealthState({instance_id}, self._joining.mode.standing)
        self.health.reports.listen(self._note)
        return self.health

    async def _found(self) -> tuple[Listener, Reach] | None:
        """Where the application answers; None where the server has stopped before it did."""
        if self._adopted is None and not self._end.is_set():
            try:
                async with asyncio.timeout(None) as self._finding:
                    return await self._find()
            except TimeoutError:
                pass  # nobody needs to look any more
            finally:
                self._finding = None
        return self._adopted

    async def _find(self) -> tuple[Listener, Reach]:
        clock = asyncio.get_running_loop().time
        begun, pause = clock(), LOOK_EVERY
        while True:
            for listener in self._candidates():
                if (reach := await self._seek(listener)) is not None:
                    return listener, reach
            self.adopt()
            if clock() > begun + PATIENCE and pause < LATER:
                pause = LATER
                self.why = self._not_found()
                log.error("%s is not registered: %s", self._joining.label.name, self.why)
            await asyncio.sleep(pause)

    def _candidates(self) -> list[Listener]:
        """Where to look: at the port that was told, or at every one of this process."""
        told, seen = self._joining.listen, listeners()
        if told is None:
            return seen
        return [each for each in seen if each.port == told.port] or [told]

    def _not_found(self) -> str:
        tried = ", ".join(map(str, self._candidates())) or "none: does it listen on a Unix socket?"
        return (
            "cannot find the TCP port at which the server serves this application "
            f"(looked at: {tried}): set listen= or {LISTEN} to its HOST:PORT"
        )

    @contextmanager
    def _joined(
        self, listener: Listener, registrar: Registrar | None, tls: bool = False
    ) -> Iterator[tuple[str, Registrar | None]]:
        """The id, and the registrar to use: shared with the other processes at this port."""
        name = self._joining.label.name
        if registrar is None:
            yield new_id(name), None
            return
        lease = self._lease if self._lease and self._adopted else Lease(name, listener)
        stays = partial(self._stays, listener)
        instance_id = self._join(lease, tls)
        try:
            yield instance_id, SharedRegistrar(registrar, lease, stays)
        finally:
            lease.leave(stays())

    def _join(self, lease: Lease, tls: bool) -> str:
        self._lease = lease
        return lease.join(partial(new_id, self._joining.label.name), tls)

    def _stays(self, listener: Listener) -> bool:
        return replaced(self._signalled, parent_has(listener), sys.modules)

    def _signal(self, number: int) -> None:
        """The first one begins the stop, the next one cuts it short."""
        if self._signalled:
            self._over.set()
        self._signalled = True
        self._end.set()

    def _observe(self, close_port: Callable[[], None], event: Event) -> None:
        self._joining.observe(event)
        left = isinstance(event, RegistrationChanged) and event.state is RegistrationState.DEREGISTERED
        if left and self.goes_on:
            close_port()

    def _note(self, report: Report) -> None:
        self.leaving = report.phase not in (Phase.STARTING, Phase.SERVING)
        if self.leaving or report.standing.checked:
            self.checked.set()


def replaced(signalled: bool, parent_listens: bool | None, modules: Container[str]) -> bool:
    """Whether another process will serve at the port of one that ends, so that the entry is to stay until then. Pure.

    A process that ends unasked (--max-requests) is replaced by whoever started it, as long as that has the port. One
    that was told to end is not, but under gunicorn: its master closes the port before it stops its workers, so while
    that is open it reloads (SIGHUP) or has one worker too many. hypercorn tells its workers to end by no signal.
    `parent_listens` is None where it cannot be seen; `modules`: those that are loaded, which tell the server.
    """
    if "gunicorn.arbiter" in modules:
        return bool(parent_listens) if signalled else parent_listens is not False
    return bool(parent_listens) and not signalled and "hypercorn" not in modules


@dataclass(frozen=True, slots=True)
class _Server:
    """The server as a transport of `live`: it serves already, and stops when the signal reaches it."""

    stopping: Callable[[], Awaitable[None]]

    async def serve(self) -> None:
        pass

    async def stop(self, grace: float) -> None:
        await self.stopping()


async def _proven() -> None:
    """The register check where others have made it."""
