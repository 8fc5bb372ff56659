"""The checks that run: a timer for each TTL check, a task for each of the others."""

from __future__ import annotations

import asyncio
import logging
import resource
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from random import Random
from types import TracebackType
from typing import Final, Protocol, Self

from muster.agent.checks import grpc, h2ping, http, script, tcp
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.state import Result, Thresholds, count, fresh_streak
from muster.model.check import Health
from muster.watch.background import background_tasks

Report = Callable[[str, Result], None]
"""Called with a check's id and what a look found. Synchronous, must not raise."""

Silence = Callable[[str], None]
"""Called with the id of a TTL check when its time is over. Synchronous, must not raise."""


class Looks(Protocol):
    """A module that looks at targets of one kind."""

    def look(self, definition: CheckDefinition) -> Awaitable[Result]: ...


_LOOKS: Final[dict[Kind, Looks]] = {
    Kind.HTTP: http,
    Kind.TCP: tcp,
    Kind.GRPC: grpc,
    Kind.H2PING: h2ping,
    Kind.SCRIPT: script,
}

_log = logging.getLogger("muster.agent.checks")


_MOST_LOOKS = 1000
_MOST_SCRIPTS = 32
_LATE = 0.1
"""The share of its interval by which a look may be late and still be one of many at their own times."""
_FOR_OTHERS = 0.5
"""The share of the files that this process may open which is left to its clients."""


class RunningChecks:
    """Starts, stops and owns them. Enter before `start`; leaving stops all. For use on one event loop.

    `shortest_interval`, in seconds, is what a smaller interval is raised to. So many look at once and no more: targets
    that do not answer must not take all the sockets, of which the agent's clients need some; and programs are heavy.
    """

    def __init__(self, report: Report, silence: Silence, shortest_interval: float, rng: Random) -> None:
        self._report = report
        self._silence = silence
        self._shortest = shortest_interval
        self._rng = rng
        self._stack = AsyncExitStack()
        self._tasks: asyncio.TaskGroup | None = None
        self._running: dict[str, asyncio.Task[None] | _Countdown] = {}
        self._turns = asyncio.Semaphore(_most_looks())
        self._script_turns = asyncio.Semaphore(_MOST_SCRIPTS)

    async def __aenter__(self) -> Self:
        self._tasks = await self._stack.enter_async_context(background_tasks())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for check_id in list(self._running):
            self.stop(check_id)
        await self._stack.__aexit__(kind, error, trace)

    @property
    def monitors(self) -> int:
        """How many checks look at something."""
        return len(self._running) - self.countdowns

    @property
    def countdowns(self) -> int:
        """How many TTL checks there are."""
        return sum(isinstance(running, _Countdown) for running in self._running.values())

    def start(self, check_id: str, definition: CheckDefinition) -> None:
        """Run a check, in place of one of the same id. The first look is within one interval, at random, so that checks
        that were registered together do not all look at once; a TTL check has a whole TTL."""
        self.stop(check_id)
        if definition.kind is Kind.TTL:
            self._running[check_id] = _Countdown(definition.ttl, lambda: self._silence(check_id))
            return
        assert self._tasks is not None, "enter first"
        task = self._tasks.create_task(self._look_again_and_again(check_id, definition), name=f"check {check_id}")
        self._running[check_id] = task

    def stop(self, check_id: str) -> None:
        """Stop a check. An unknown id is fine."""
        running = self._running.pop(check_id, None)
        if running is not None:
            running.cancel()

    def renew(self, check_id: str) -> bool:
        """Start a TTL check's time anew. False if there is no TTL check of that id."""
        running = self._running.get(check_id)
        if not isinstance(running, _Countdown):
            return False
        running.renew()
        return True

    async def _look_again_and_again(self, check_id: str, definition: CheckDefinition) -> None:
        interval = max(definition.interval, self._shortest)
        how = _LOOKS[definition.kind]
        turns = self._script_turns if definition.kind is Kind.SCRIPT else self._turns
        thresholds = Thresholds(
            definition.success_before_passing, definition.failures_before_critical, definition.failures_before_warning
        )
        streak = fresh_streak(thresholds)
        await asyncio.sleep(self._rng.random() * interval)
        while True:
            async with turns:
                result = await _look_safely(how, definition)
            if self._running.get(check_id) is not asyncio.current_task():
                return  # stopped while it looked, by a look that took its cancellation for a failure
            streak, health = count(streak, result.health, thresholds)
            if health is not None:
                self._report(check_id, Result(health, result.output))
            await self._pause(interval)

    async def _pause(self, interval: float) -> None:
        """An interval; and where it ends late, as after a machine was suspended, a part of another at random: all
        checks are then late together, and would from now on look together."""
        loop = asyncio.get_running_loop()
        due = loop.time() + interval
        await asyncio.sleep(interval)
        if loop.time() - due > _LATE * interval:
            await asyncio.sleep(self._rng.random() * interval)


def _most_looks() -> int:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    return _MOST_LOOKS if soft == resource.RLIM_INFINITY else max(1, min(_MOST_LOOKS, int(soft * _FOR_OTHERS)))


async def _look_safely(how: Looks, definition: CheckDefinition) -> Result:
    """A fault of ours makes the check critical, with its text, and leaves the agent alive."""
    try:
        return await how.look(definition)
    except Exception as error:
        _log.exception("the %s check of %s failed by a fault of the agent", definition.kind, definition.target)
        return Result(Health.CRITICAL, f"the check could not be run: {error!r}")


class _Countdown:
    """A timer that is put off often and fires rarely.

    Putting it off moves a number and leaves the loop's timer alone; when that fires early it is set for the rest. A
    heartbeat costs no timer thus, which matters with ten thousand of them.
    """

    __slots__ = ("_deadline", "_on_silence", "_timer", "_ttl")

    def __init__(self, ttl: float, on_silence: Callable[[], None]) -> None:
        self._ttl = ttl
        self._on_silence = on_silence
        self._timer: asyncio.TimerHandle | None = None
        self.renew()

    def renew(self) -> None:
        loop = asyncio.get_running_loop()
        self._deadline = loop.time() + self._ttl
        if self._timer is None:
            self._timer = loop.call_at(self._deadline, self._fire)

    def cancel(self) -> None:
        if self._timer is not None:
            self._timer.cancel()

    def _fire(self) -> None:
        loop = asyncio.get_running_loop()
        if loop.time() < self._deadline:
            self._timer = loop.call_at(self._deadline, self._fire)
            return
        self._timer = None
        self._on_silence()
