"""What the author of a service checks: functions that are called every few seconds, and what they found.

A check that is not async runs on a thread of its own, a daemon, since most such checks block: they ask a database or a
disk. (asyncio's own threads are few, and a check that never returns would keep the process from ending.) A check that
is still running when it is its turn again is not begun a second time: it has failed until it ends.
"""

from __future__ import annotations

import asyncio
import contextvars
import inspect
import threading
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from random import Random
from typing import cast

from muster.model.check import CheckState, Health
from muster.model.errors import BadConfiguration
from muster.model.typed import check
from muster.serve.hooks import Hook
from muster.watch.background import background_tasks
from muster.watch.latest import Latest

MOST = 200
"""Characters of what a check says that are passed on."""

UNKNOWN = "it has not ended yet"


@dataclass(frozen=True, slots=True)
class UserCheck:
    """A check: what to call, and what the instance is while it fails: critical or warning. Times in seconds."""

    name: str
    function: Hook
    every: float = 10.0
    level: Health = Health.CRITICAL
    timeout: float = 5.0

    def __post_init__(self) -> None:
        """Raises BadConfiguration for times and levels that cannot be."""
        check("check(every=", self.every, "float")
        check("check(timeout=", self.timeout, "float")
        if not (self.every > 0 and self.timeout > 0):
            raise BadConfiguration(f"check {self.name!r}: every and timeout must be above 0 seconds: {self}")
        if self.level is Health.PASSING:
            raise BadConfiguration(f"check {self.name!r}: a check that fails is 'critical' or 'warning'")


@dataclass(frozen=True, slots=True)
class Result:
    """What a check found last: its state, and since when (Unix time) it has been in it. `ended`: it has been made."""

    state: CheckState
    since: float
    ended: bool = True


def level_of(text: str) -> Health:
    """Raises BadConfiguration."""
    if text not in ("critical", "warning"):
        raise BadConfiguration(f"level={text!r}: a check that fails is 'critical' or 'warning'")
    return Health(text)


def printable(text: str) -> str:
    """A text for people, on one line and of bounded length: registries, headers and logs take no other."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text[: 2 * MOST]).split())
    return line if len(line) <= MOST else f"{line[: MOST - 1]}…"


def result_of(check: UserCheck, failure: str | None, before: Result, now: float) -> Result:
    """What is known once a check has ended: `failure` says why it failed, None that it passed. Pure."""
    health = Health.PASSING if failure is None else check.level
    since = before.since if before.ended and before.state.health is health else now
    return Result(CheckState(check.name, health, printable(failure or "")), since)


class Checks:
    """The checks of one run, made while `running`. For one event loop.

    `results` has what they found, in the order of the checks; `made` is set once each has ended for the first time,
    or has had its time. Until then a check counts as failed.
    """

    def __init__(self, checks: Sequence[UserCheck], rng: Random | None = None) -> None:
        now = time.time()
        self._checks = tuple(checks)
        self._rng = rng or Random()
        self.results = Latest(
            tuple(Result(CheckState(each.name, each.level, UNKNOWN), now, ended=False) for each in self._checks)
        )
        self.made = asyncio.Event()
        if not self._checks:
            self.made.set()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """Make the checks while the body runs. At the end those under way are cancelled, and waited for if they are
        async."""
        async with background_tasks() as tasks:
            repeating = [tasks.create_task(self._repeat(number, tasks)) for number in range(len(self._checks))]
            try:
                yield
            finally:
                for task in repeating:
                    task.cancel()

    async def _repeat(self, number: int, tasks: asyncio.TaskGroup) -> None:
        check = self._checks[number]
        running = _begin(check.function, tasks)
        try:
            while True:
                self._note(number, await _ended(running, check.timeout))
                await asyncio.sleep(check.every * self._rng.uniform(0.9, 1.0))
                if running.done():
                    running = _begin(check.function, tasks)
        finally:
            _give_up(running)

    def _note(self, number: int, failure: str | None) -> None:
        before = self.results.value
        result = result_of(self._checks[number], failure, before[number], time.time())
        if result != before[number]:
            self.results.set((*before[:number], result, *before[number + 1 :]))
        if all(each.ended for each in self.results.value):
            self.made.set()


Running = asyncio.Future[str | None]
"""A check under way: in the end why it failed, or None. A Task for one that is async."""


async def _ended(running: Running, seconds: float) -> str | None:
    """How the check ended, or that it did not. Then it is cancelled, which not every function heeds: it is not waited
    for."""
    await asyncio.wait([running], timeout=seconds)
    if running.done() and not running.cancelled():
        return running.result()
    _give_up(running)
    return f"no answer within {seconds:g} s"


def _give_up(running: Running) -> None:
    """A thread cannot be cancelled: it goes on, and nobody waits for it."""
    if isinstance(running, asyncio.Task):
        running.cancel()


def _begin(function: Hook, tasks: asyncio.TaskGroup) -> Running:
    if inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__):
        return tasks.create_task(_outcome(cast("Callable[[], Awaitable[object]]", function)))
    return _on_thread(function)


async def _outcome(function: Callable[[], Awaitable[object]]) -> str | None:
    try:
        return _judged(await function())
    except Exception as error:
        return _reason(error)


def _on_thread(function: Hook) -> Running:
    loop = asyncio.get_running_loop()
    running: Running = loop.create_future()
    context = contextvars.copy_context()

    def call() -> None:
        try:
            failure = _judged(context.run(function))
        except Exception as error:
            failure = _reason(error)
        with suppress(RuntimeError):  # the loop has been closed meanwhile: nobody asks any more
            loop.call_soon_threadsafe(running.set_result, failure)

    threading.Thread(target=call, name="muster check", daemon=True).start()
    return running


def _judged(found: object) -> str | None:
    if inspect.iscoroutine(found):
        found.close()
        return "it returned a coroutine: write it with 'async def'"
    return "it returned False" if found is False else None


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
