"""From what was recorded to numbers and verdicts. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from muster.cli.demo.load import Call

LET_GO_LIMIT = 1.0
"""Seconds in which the client must have stopped choosing a killed instance: it sees the connection break at once."""

RETURN_LIMIT = 15.0
"""Seconds from starting an instance to its first answer: mostly Python's own start, on a machine that may be slow."""


@dataclass(frozen=True, slots=True)
class Life:
    """One process of a greeter, from its start to its end. Times of `time.monotonic`."""

    greeter: int
    instance_id: str
    started: float
    ended: float | None = None
    end: str = ""
    """How it was ended during the load: "SIGTERM", "SIGKILL", or not at all."""
    again: bool = False
    """Whether it replaces one that was ended."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """A number, and whether it is as it should be."""

    what: str
    value: str
    right: bool


@dataclass(frozen=True, slots=True)
class LifeFigures:
    life: Life
    answered: int
    back_after: float | None
    """For one that was started again: seconds from its start to its first answer, if there was one."""


@dataclass(frozen=True, slots=True)
class Figures:
    doors: Mapping[str, tuple[int, int]]
    """By door: calls, and how many of them failed."""
    lives: Sequence[LifeFigures]
    verdicts: Sequence[Verdict]
    errors: Sequence[tuple[str, int]]
    """The commonest error texts, with their numbers."""

    @property
    def right(self) -> bool:
        return all(verdict.right for verdict in self.verdicts)


def figure(calls: Sequence[Call], lives: Sequence[Life], let_go: Mapping[str, float]) -> Figures:
    """What the demo shows. `let_go`: by instance id, when the client stopped choosing it."""
    lived = [_life(life, calls) for life in lives]
    verdicts = [_failures(calls), *_unheard(lived), *_noticed(lives, let_go), *_returned(lived), *_ghosts(calls, lives)]
    errors = Counter(call.error for call in calls if call.error)
    return Figures(_by_door(calls), lived, verdicts, errors.most_common(3))


def _by_door(calls: Sequence[Call]) -> dict[str, tuple[int, int]]:
    made = Counter(call.door for call in calls)
    failed = Counter(call.door for call in calls if call.error)
    return {door: (made[door], failed[door]) for door in sorted(made)}


def _life(life: Life, calls: Sequence[Call]) -> LifeFigures:
    answers = [call.ended for call in calls if call.instance_id == life.instance_id]
    return LifeFigures(life, len(answers), min(answers) - life.started if life.again and answers else None)


def _failures(calls: Sequence[Call]) -> Verdict:
    failed = sum(1 for call in calls if call.error)
    return Verdict("failed calls", f"{failed:,} of {len(calls):,}", bool(calls) and not failed)


def _unheard(lived: Sequence[LifeFigures]) -> list[Verdict]:
    """A table in which a greeter never answered would show nothing of what it is there to show."""
    return [
        Verdict(f"calls answered by greeter {lived_one.life.greeter}", "0", right=False)
        for lived_one in lived
        if not lived_one.answered
    ]


def _noticed(lives: Sequence[Life], let_go: Mapping[str, float]) -> list[Verdict]:
    return [_notice(life, let_go.get(life.instance_id)) for life in lives if life.end == "SIGKILL"]


def _notice(life: Life, let_go: float | None) -> Verdict:
    what = f"client went on choosing greeter {life.greeter} after SIGKILL for"
    if let_go is None or life.ended is None:
        return Verdict(what, "ever", right=False)
    seconds = max(0.0, let_go - life.ended)
    return Verdict(what, duration(seconds), seconds <= LET_GO_LIMIT)


def _returned(lived: Sequence[LifeFigures]) -> list[Verdict]:
    """One that never answered is told by `_unheard`."""
    return [
        Verdict(
            f"greeter {lived_one.life.greeter}, started again, gave its first answer after",
            duration(lived_one.back_after),
            lived_one.back_after <= RETURN_LIMIT,
        )
        for lived_one in lived
        if lived_one.back_after is not None
    ]


def _ghosts(calls: Sequence[Call], lives: Sequence[Life]) -> list[Verdict]:
    """An answer from nobody that we started: something else has joined in, and the numbers mean nothing."""
    ours = {life.instance_id for life in lives}
    strange = sum(1 for call in calls if not call.error and call.instance_id not in ours)
    return [Verdict("calls answered by strangers", f"{strange:,}", right=False)] if strange else []


def duration(seconds: float) -> str:
    """Milliseconds below a second, with as many digits as mean something."""
    if seconds < 0.01:
        return f"{seconds * 1000:.1f} ms"
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else f"{seconds:.2f} s"
