"""Which answers of a registry to believe. Pure.

A registry that has just lost its data, or is partitioned from the agents that hold registrations, says in good faith
that nobody is there. To obey turns its fault into everybody's outage; to ignore it means calling instances that were
deliberately taken away. So what is dropped too suddenly is *doubtful* for a while: it may still be called while its
connection holds, and is forgotten when its grace ends or it leaves of its own accord.

    an answer drops ...                             what it drops is
    all of a set of any size                        doubtful
    more than half of a set of `large` or more      doubtful
    anything else                                   gone

What was critical before it was dropped is gone at once: that is how a draining instance leaves. Scaling to zero on
purpose may still look like an accident, and ends all the same: draining instances say NOT_SERVING and close their
connections, and the grace ends the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

from muster.model.errors import BadConfiguration
from muster.model.instance import Instance
from muster.model.snapshot import Answer, Known, instances_of, set_aside_of
from muster.model.typed import check_types


@dataclass(frozen=True, slots=True)
class Doubt:
    """When to doubt. `grace`: seconds that a dropped instance stays doubtful, three heartbeats by default; 0 believes
    everything. `large`: the size from which a set is expected not to lose more than half of itself at once."""

    grace: float = 30.0
    large: int = 4

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        if self.grace < 0 or self.large < 1:
            raise BadConfiguration(f"{self}: grace is not negative, and large at least 1")


@dataclass(frozen=True, slots=True)
class Belief:
    """What is believed of one name: the last answer, and what it or an earlier one dropped with the end of its grace.

    Times are of any clock that does not go backwards, in seconds.
    """

    answer: Answer
    doubtful: tuple[tuple[Instance, float], ...] = ()

    @property
    def snapshot(self) -> Answer:
        if not self.doubtful:
            return self.answer
        doubtful = tuple(instance for instance, _ in self.doubtful)
        return Known(self.answer.name, instances_of(self.answer), doubtful, set_aside_of(self.answer))

    @property
    def until(self) -> float | None:
        """When `expire` will change something next."""
        return min((end for _, end in self.doubtful), default=None)


def believe(belief: Belief | None, answer: Answer, now: float, doubt: Doubt = Doubt()) -> Belief:
    """What is believed once the registry has given `answer`."""
    present = {instance.id for instance in instances_of(answer)}
    if belief is None:
        return Belief(answer)
    kept = tuple(entry for entry in belief.doubtful if entry[0].id not in present and entry[1] > now)
    before = instances_of(belief.answer)
    dropped = [instance for instance in before if instance.id not in present]
    if doubt.grace > 0 and _sudden(len(before), len(dropped), bool(present), doubt):
        kept += tuple((instance, now + doubt.grace) for instance in dropped if instance.health.callable)
    return Belief(answer, kept)


def expire(belief: Belief, now: float) -> Belief:
    """What is left once the graces that have ended by `now` are over."""
    return Belief(belief.answer, tuple(entry for entry in belief.doubtful if entry[1] > now))


def _sudden(before: int, dropped: int, anybody: bool, doubt: Doubt) -> bool:
    if not dropped:
        return False
    return not anybody or (before >= doubt.large and dropped * 2 > before)
