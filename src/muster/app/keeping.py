"""Where a registration is kept: on the thread that muster has in every process, so that heartbeats do not depend on the
service's event loop; else on that loop."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

from muster.client.background import Background, background
from muster.model.errors import BadConfiguration
from muster.model.service import Registration
from muster.registry.protocol import Registrar, Registry
from muster.registry.url import open_registry, resolve_url, split_url
from muster.serve.advertise import IN_PROCESS
from muster.serve.beside import Beside, asked_of
from muster.serve.checks import Checks
from muster.serve.condition import Condition, Observed
from muster.serve.membership import Gate, Member, Membership
from muster.serve.mode import Mode
from muster.serve.settings import Timing
from muster.serve.standing import Pace
from muster.serve.watchdog import watchdog
from muster.serve.writing import shared

T = TypeVar("T")


def _nobody_else() -> bool:
    return False


@dataclass(frozen=True, slots=True)
class Kept:
    """What is kept, and how: the entry, the register check and whether it is made again, the checks of its author, and
    whether others have written the same entry."""

    registration: Registration
    gate: Gate
    rechecks: bool
    checks: Checks
    timing: Timing
    written_by_others: Callable[[], bool] = _nobody_else

    @property
    def pace(self) -> Pace:
        return Pace(self.timing.beat, self.timing.spread, self.rechecks)

    def membership(self, registrar: Registrar | None, mode: Mode, gate: Gate, condition: Condition) -> Membership:
        """`gate`: the register check, as it is called from the loop that keeps the registration."""
        entry, others = self.registration, self.written_by_others
        return Membership(registrar, entry, gate, mode.standing, self.pace, None, condition, others)


@dataclass(frozen=True, slots=True)
class Home:
    """`registrar`: where to write, None for nowhere. `thread`: on whose loop it is used, None for the running one."""

    mode: Mode
    registrar: Registrar | None
    thread: Background | None = None

    async def do(self, work: Coroutine[Any, Any, T]) -> T:
        """Do what uses the registrar."""
        return await (work if self.thread is None else asyncio.wrap_future(self.thread.start(work)))

    @contextmanager
    def member(self, kept: Kept, registrar: Registrar | None) -> Iterator[Member]:
        """Who keeps the registration, in `registrar`: this one, or one that is made of it."""
        if self.thread is None:
            condition = Observed(kept.timing, kept.checks.results.value)
            kept.checks.results.listen(condition.found)
            yield kept.membership(registrar, self.mode, kept.gate, condition)
        else:
            with _beside(self.thread, kept, registrar, self.mode) as member:
                yield member


@contextmanager
def _beside(thread: Background, kept: Kept, registrar: Registrar | None, mode: Mode) -> Iterator[Member]:
    watched = watchdog(thread)
    condition = Observed(kept.timing, kept.checks.results.value, lambda: watched.lately)
    kept.checks.results.listen(lambda results: thread.call(condition.found, results))
    gate = asked_of(asyncio.get_running_loop(), kept.gate)
    membership = kept.membership(registrar, mode, gate, condition)
    with watched.watching(condition.looked):
        yield Beside(membership, thread)


@asynccontextmanager
async def home(registry: str | Registrar | None, mode: Mode) -> AsyncIterator[Home]:
    """Where a service that was given `registry` writes; closed at the end if it was opened here.

    A registry that is an object of the caller's belongs to the caller's event loop, and one in this process ends with
    it: there heartbeats depend on the running loop. Raises BadConfiguration for one that cannot be written to.
    """
    if mode is not Mode.SELF:
        yield Home(mode, None)
    elif registry is not None and not isinstance(registry, str):
        yield Home(mode, _writable(registry))
    else:
        async with _opened(registry) as found:
            yield found


@asynccontextmanager
async def _opened(url: str | None) -> AsyncIterator[Home]:
    registry = open_registry(url)
    registrar = _writable(registry)
    if split_url(resolve_url(url, os.environ).url).base_scheme in IN_PROCESS:
        async with registry:
            yield Home(Mode.SELF, registrar)
        return
    thread = background()
    meaning = url, frozenset(os.environ.items())
    writing = await asyncio.wrap_future(thread.start(shared(meaning, registry, registrar)))
    try:
        yield Home(Mode.SELF, writing, thread)
    finally:
        await asyncio.wrap_future(thread.start(writing.close()))


def _writable(registry: Registrar | Registry) -> Registrar:
    if not isinstance(registry, Registrar):
        raise BadConfiguration(
            f"{registry} can only be read, so a service cannot register there: "
            "choose another registry, or register='off'"
        )
    return registry
