"""A program that knows nothing of muster, run and registered."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import cast

from muster.model.errors import BadConfiguration
from muster.model.events import Observer
from muster.registry.protocol import Registrar
from muster.registry.url import open_registry
from muster.serve.advertise import advertised, place_of
from muster.serve.entry import Label, compose, new_id
from muster.serve.health import HealthState
from muster.serve.hooks import Hooks
from muster.serve.life import Failures, live
from muster.serve.membership import Gate, Membership
from muster.serve.mode import Mode
from muster.serve.orphans import reaping
from muster.serve.program import Program
from muster.serve.reach import Reach
from muster.serve.reporting import report
from muster.serve.settings import Timing
from muster.serve.signals import passing_on, until_signalled
from muster.serve.standing import Pace
from muster.serve.zones import zone_of
from muster.telemetry.logging import EventLog


@dataclass(frozen=True, slots=True)
class Foreign:
    """What to run, and what to tell the registry of it.

    `listens` is the host and port that the program takes calls at; `gate` raises while it should not get any;
    `patience`: seconds until its port must take connections.
    """

    label: Label
    command: tuple[str, ...]
    listens: tuple[str, int]
    reach: Reach
    gate: Gate
    advertise: str | None = None
    registry: str | None = None
    patience: float = 30.0
    timing: Timing = field(default_factory=Timing)

    def __post_init__(self) -> None:
        """Raises Rejected for a name or label that no registry takes."""
        compose(self.label, new_id(self.label.name), ("", self.listens[1]), (), self.timing, self.reach)


async def run_foreign(foreign: Foreign, environ: Mapping[str, str], observe: Observer | None = None) -> int:
    """Run the program until it ends or a stopping signal comes; returns its exit status, as shells tell it.

    In order: start, wait for its port, check, register; at the end deregister, wait for clients to notice, SIGTERM,
    SIGKILL. Other signals are passed on to it. For the main thread. Raises BadConfiguration, and ProgramFailed for a
    program that does not get as far as to listen.
    """
    program = Program(foreign.command, *foreign.listens, foreign.patience, environ)
    stopping = asyncio.Event()

    def child_ended(pid: int, status: int) -> None:
        program.child_ended(pid, status)
        if program.over.is_set():
            stopping.set()

    with reaping(child_ended), passing_on(program.send):
        zone = await zone_of(foreign.label.zone, environ)
        zoned = replace(foreign, label=replace(foreign.label, zone=zone))
        await until_signalled(_registered(zoned, program, observe or EventLog()), stopping)
    return program.status if program.over.is_set() else 0  # never started: a signal came first


@asynccontextmanager
async def _registered(foreign: Foreign, program: Program, observe: Observer) -> AsyncIterator[None]:
    async with _registrar(foreign.registry) as registrar:
        where = await advertised(foreign.listens, foreign.advertise, place_of(str(registrar)), registrar)
        entry = compose(foreign.label, new_id(foreign.label.name), where, (), foreign.timing, foreign.reach)
        pace = Pace(foreign.timing.beat, foreign.timing.spread)
        membership = Membership(registrar, entry, foreign.gate, Mode.SELF.standing, pace)
        report(membership, entry.instance, observe)
        health = HealthState({entry.instance.id}, Mode.SELF.standing)
        async with live(program, membership, health, Hooks(), foreign.timing, Failures(), program.over):
            yield


def _registrar(url: str | None) -> AbstractAsyncContextManager[Registrar]:
    registry = open_registry(url)
    if not isinstance(registry, Registrar):
        raise BadConfiguration(f"{registry} can only be read, so nothing can register there: choose another registry")
    return cast("AbstractAsyncContextManager[Registrar]", registry)
