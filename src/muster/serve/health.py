"""The health of one run, for whichever transport is asked for it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

from muster.model.check import Health
from muster.serve.checks import Result
from muster.serve.lifecycle import Phase, Readiness, readiness, serving, step
from muster.serve.standing import Standing
from muster.watch.latest import Latest

OVERALL = ""
"""The name by which the program as a whole is asked for (https://github.com/grpc/grpc/blob/master/doc/health-checking.md)."""


class Answer(StrEnum):
    """The three answers that the gRPC health protocol knows, by its own words."""

    SERVING = "SERVING"
    NOT_SERVING = "NOT_SERVING"
    UNKNOWN = "SERVICE_UNKNOWN"


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that the answers depend on."""

    phase: Phase
    standing: Standing
    checks: tuple[Result, ...] = ()

    @property
    def serving(self) -> bool:
        return serving(self.phase, self.standing, self._critical)

    @property
    def readiness(self) -> Readiness:
        return readiness(self.phase, self.standing, self._critical)

    @property
    def _critical(self) -> str:
        failed = (each.state for each in self.checks if each.state.health is Health.CRITICAL)
        return "; ".join(f"{state.name}: {state.output}" for state in failed)

    @property
    def over(self) -> bool:
        """Nothing will change any more: whoever watches should go."""
        return self.phase in (Phase.CLOSING, Phase.CLOSED)


class HealthState:
    """What a run answers about its health. For one event loop.

    `names` are those that it answers to beside OVERALL: the instance's id, the service's name, the names of what it
    offers. Any other name is UNKNOWN, which is how a stranger on this port is told from this instance.
    """

    def __init__(self, names: Iterable[str], standing: Standing) -> None:
        self.reports = Latest(Report(Phase.STARTING, standing))
        self._names = frozenset(names)
        self._elsewhere: set[str] = set()

    @property
    def phase(self) -> Phase:
        return self.reports.value.phase

    @property
    def readiness(self) -> Readiness:
        return self.reports.value.readiness

    def enter(self, phase: Phase) -> None:
        """Go on to another phase; whoever watches is told before this returns."""
        report = self.reports.value
        self.reports.set(replace(report, phase=step(report.phase, phase)))

    def registration(self, standing: Standing) -> None:
        """Take note of where the registration stands."""
        self.reports.set(replace(self.reports.value, standing=standing))

    def checked(self, results: tuple[Result, ...]) -> None:
        """Take note of what the checks of the service's author have found."""
        self.reports.set(replace(self.reports.value, checks=results))

    def others_serve(self, name: str) -> None:
        """From now on `name` is served whatever becomes of this process: others are the same instance."""
        self._elsewhere.add(name)

    def answer(self, name: str) -> Answer:
        """What to answer to who asks for `name` now."""
        report = self.reports.value
        if name == OVERALL:
            healthy = report.readiness.ready
        elif name in self._names:
            healthy = report.serving or name in self._elsewhere
        else:
            return Answer.UNKNOWN
        return Answer.SERVING if healthy else Answer.NOT_SERVING
