"""What an instance says of itself, by the check `self`: whether its event loop runs, and what its own checks found."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Protocol

from muster.model.check import CheckState, Health, worst
from muster.serve.checks import Result
from muster.serve.entry import SELF
from muster.serve.settings import Timing

SERVING = CheckState(SELF, Health.PASSING, "serving")

LONGEST_OUTPUT = 1000
"""Characters. Consul keeps 4096 bytes of what a check says; every client that watches the name is sent them."""


class Condition(Protocol):
    """Belongs to the event loop that keeps the registration."""

    @property
    def state(self) -> CheckState:
        """What to say now."""
        ...

    @property
    def blocked(self) -> bool:
        """Whether the service's event loop is known not to run, so that it can be asked nothing."""
        ...

    def listen(self, listener: Callable[[], object]) -> None:
        """Call `listener` whenever the instance becomes another than passing, warning or critical, or for another
        reason, from now on."""
        ...


class Serving:
    """The condition of who has nothing to say but that it is there."""

    state = SERVING
    blocked = False

    def listen(self, listener: Callable[[], object]) -> None:
        pass


def of_loop(silent: float, lately: float, timing: Timing) -> CheckState:
    """`silent`: seconds that the loop has been blocked for; `lately`: the longest that it was in the last ten. Pure."""
    if silent:
        said = f"event loop blocked for {silent:.1f} s"
    elif lately:
        said = f"event loop blocked for {lately:.1f} s at most in the last 10 s"
    else:
        return CheckState(SELF, Health.PASSING)
    if silent >= timing.blocked:
        return CheckState(SELF, Health.CRITICAL, said)
    warned = timing.lagging is not None and max(silent, lately) >= timing.lagging
    return CheckState(SELF, Health.WARNING if warned else Health.PASSING, said)


def together(loop: CheckState, results: Iterable[Result]) -> CheckState:
    """One state for all that an instance finds: the worst, and whatever is not as it should be. Pure."""
    failed = [each.state for each in results if each.state.health is not Health.PASSING]
    health = worst((loop.health, *(state.health for state in failed)))
    said = [f"{state.name}: {state.output}" for state in failed]
    output = "; ".join(filter(None, (loop.output, *said))) or SERVING.output
    return CheckState(SELF, health, output if len(output) <= LONGEST_OUTPUT else f"{output[: LONGEST_OUTPUT - 1]}…")


@dataclass(slots=True)
class Observed:
    """The condition of a service: `looked` and `found` take what was found out, and tell who listens of a change.

    `lately` is asked when there is something to say: see Watchdog.
    """

    timing: Timing
    results: tuple[Result, ...] = ()
    lately: Callable[[], float] = lambda: 0.0
    silent: float = 0.0
    listener: Callable[[], object] = lambda: None

    @property
    def state(self) -> CheckState:
        return together(of_loop(self.silent, self.lately(), self.timing), self.results)

    @property
    def blocked(self) -> bool:
        return self.silent > 0

    def listen(self, listener: Callable[[], object]) -> None:
        self.listener = listener

    def looked(self, silent: float) -> None:
        before, self.silent = self._now(), silent
        self._tell(before)

    def found(self, results: tuple[Result, ...]) -> None:
        before, self.results = self._now(), results
        self._tell(before)

    def _now(self) -> tuple[Health, ...]:
        """What readers of the registry act upon. The past is told with heartbeats only, since it fades."""
        loop = of_loop(self.silent, 0.0, self.timing)
        return loop.health, *(each.state.health for each in self.results)

    def _tell(self, before: tuple[Health, ...]) -> None:
        if self._now() != before:
            self.listener()
