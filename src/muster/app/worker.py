"""One of several processes that run a service: the side of the worker. The other side is workers.py."""

from __future__ import annotations

import asyncio
import logging
import os
import select
import signal
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import Future
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING

from muster.app.doors import Door, shifted
from muster.app.keeping import Home
from muster.model.errors import BadConfiguration
from muster.model.events import RegistrationState
from muster.model.instance import GRPC
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.registry.url import resolve_url, split_url
from muster.serve.advertise import IN_PROCESS
from muster.serve.entry import new_id
from muster.serve.health import HealthState, Report
from muster.serve.loop import loop_factory
from muster.serve.mode import Mode
from muster.serve.settings import Timing
from muster.serve.signals import until_signalled
from muster.serve.standing import Standing
from muster.serve.workers.channel import Channel
from muster.serve.workers.messages import (
    Announced,
    Closed,
    Condition,
    Connected,
    Given,
    Go,
    Message,
    Registered,
    SignOfLife,
    Wanted,
)

if TYPE_CHECKING:
    from muster.app.service import Service
    from muster.http.incoming import Incoming

log = logging.getLogger("muster.serve")

ALIVE = 0.5
"""Seconds between two signs of life."""

ORPHANED = 10.0
"""Seconds that a worker whose parent has gone may take to end in order."""


def run_worker(service: Service, place: int, channel: Channel) -> None:
    """Run `service` as one of several workers until the parent or a signal ends it. Blocks; for the main thread.

    `place`: what is added to the ports that belong to this one alone. Raises as `Service.running`.
    """
    part = service.share(partial(Worker, place, channel))
    with asyncio.Runner(loop_factory=loop_factory()) as runner:
        runner.run(until_signalled(_running(service, part, channel)))


@asynccontextmanager
async def _running(service: Service, part: Worker, channel: Channel) -> AsyncIterator[None]:
    channel.listen(part.hear, part.orphaned)
    async with service.running():
        yield


class Worker:
    """A Part: HTTP is shared with the others, gRPC is this one's own, since one connection of HTTP/2 reaches one
    worker only."""

    def __init__(self, place: int, channel: Channel, registry: str | Registrar | None, timing: Timing) -> None:
        self._place = place
        self._channel = channel
        self._registry = registry
        self._timing = timing
        self._given: asyncio.Future[Given] | None = None
        self._shared: Shared | None = None
        self._health: HealthState | None = None
        self._home: Home | None = None
        self._own = False

    async def placed(self, door: Door, host: str) -> Door:
        """Raises BadConfiguration where the shared address cannot be listened at."""
        if door.protocol == GRPC:
            return replace(shifted(door, self._place), instance_id=new_id(door.name))
        self._given = asyncio.get_running_loop().create_future()
        self._channel.send(Wanted(door.name, host, door.port))
        given = await self._given
        if given.refusal:
            raise BadConfiguration(given.refusal)
        self._shared = Shared(given.instance_id, host or "0.0.0.0", given.port, self._closed)
        return replace(door, port=given.port, instance_id=given.instance_id)

    def incoming(self, door: Door) -> Incoming | None:
        return self._shared

    def keeps(
        self, home: Home, entries: Sequence[Registration], health: HealthState
    ) -> tuple[Home, Sequence[Registration]]:
        """From now on the parent hears how this worker is. Raises BadConfiguration for a registry in this process."""
        shared = next((each for each in entries if self._is_shared(each)), None)
        own = tuple(each for each in entries if each is not shared)
        registry = _url(self._registry) if home.mode is Mode.SELF else None
        self._channel.send(Announced(own, shared, registry, home.mode, self._timing))
        self._health, self._home = health, home
        self._own = bool(own)
        health.reports.listen(self._tell)
        self._give_sign()
        return (home, own) if own else (Home(Mode.EXTERNAL, None), entries)

    def hear(self, message: Message, handed: socket.socket | None) -> None:
        """Take note of what the parent tells."""
        match message:
            case Given() if self._given is not None and not self._given.done():
                self._given.set_result(message)
            case Connected() if handed is not None:
                self._take(handed)
            case Registered(standing):
                self._registered(standing)
            case Go(seconds, alone):
                self._go(seconds, alone)

    def orphaned(self) -> None:
        """The parent has gone: what it has registered is taken out here, by each worker, since none knows of the
        others. `end_with_parent` ends this one."""
        home, shared = self._home, self._shared
        if home is not None and home.registrar is not None and home.thread is not None and shared is not None:
            log.warning("the process that started this worker has gone")
            leaving = home.thread.start(home.registrar.deregister(shared.instance_id))
            leaving.add_done_callback(_tell_failure)

    def _closed(self) -> None:
        self._channel.send(Closed())

    def _is_shared(self, entry: Registration) -> bool:
        return self._shared is not None and entry.instance.id == self._shared.instance_id

    def _take(self, connection: socket.socket) -> None:
        if self._shared is not None and self._shared.take is not None:
            self._shared.take(connection)
        else:
            connection.close()

    def _registered(self, standing: Standing) -> None:
        """The shared registration is the worker's readiness where it has no registration of its own."""
        if self._health is not None and not self._own:
            checked = self._health.reports.value.standing.checked
            self._health.registration(replace(standing, checked=checked))

    def _go(self, seconds: float, alone: bool) -> None:
        """As at SIGTERM, and at a second one when the time is up. Alone, the others go on to be what is shared."""
        if alone and self._shared is not None and self._health is not None:
            self._health.others_serve(self._shared.instance_id)
        signal.raise_signal(signal.SIGTERM)
        asyncio.get_running_loop().call_later(seconds, signal.raise_signal, signal.SIGTERM)

    def _tell(self, report: Report) -> None:
        standing = report.standing
        known = standing.registered_once or standing.state in (RegistrationState.OFF, RegistrationState.EXTERNAL)
        self._channel.send(Condition(report.serving, known or not self._own, report.readiness.why))

    def _give_sign(self) -> None:
        self._channel.send(SignOfLife())
        asyncio.get_running_loop().call_later(ALIVE, self._give_sign)


@dataclass(slots=True)
class Shared:
    """The address that all workers have together: its connections come from the parent. An `http` Incoming."""

    instance_id: str
    host: str
    port: int
    closed: Callable[[], None]
    take: Callable[[socket.socket], None] | None = None

    def begin(self, take: Callable[[socket.socket], None]) -> None:
        self.take = take

    def end(self) -> None:
        if self.take is not None:
            self.take = None
            self.closed()


def end_with_parent(end: socket.socket) -> None:
    """End this process when the other end of `end`, which is the parent's, closes: by SIGTERM first.

    Seen by a thread, so that a worker whose event loop hangs ends too.
    """
    threading.Thread(target=_wait, args=(end.fileno(),), name="muster parent", daemon=True).start()


def _wait(descriptor: int) -> None:
    hung_up = select.poll()
    hung_up.register(descriptor, 0)  # a hang-up is told whatever is asked for
    hung_up.poll()
    os.kill(os.getpid(), signal.SIGTERM)
    time.sleep(ORPHANED)
    os._exit(1)


def _url(registry: str | Registrar | None) -> str | None:
    """Raises BadConfiguration for a registry that is within this process, which the others would not see."""
    advice = "several workers need a registry outside of their processes: give a URL such as consul://127.0.0.1:8500"
    if registry is not None and not isinstance(registry, str):
        raise BadConfiguration(f"the registry is an object of this process: {advice}")
    url = resolve_url(registry, os.environ).url
    if split_url(url).base_scheme in IN_PROCESS:
        raise BadConfiguration(f"the registry is {url}, which each process has to itself: {advice}")
    return registry


def _tell_failure(leaving: Future[None]) -> None:
    if not leaving.cancelled() and (error := leaving.exception()) is not None:
        log.warning("the shared registration is left in the registry until it expires: %s", error)
