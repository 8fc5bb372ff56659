"""The rules of blocking queries. Pure: what to ask next, and after which pause.

Source: https://developer.hashicorp.com/consul/api-docs/features/blocking, and what went wrong where a rule was missing:
an index that goes backwards (a restored or replaced server) leaves a client waiting for a future that never comes; an
index of 0, or an agent that answers at once all the time, makes one that spins.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

_FIRST_PAUSE = 0.1
_LONGEST_PAUSE = 10.0


@dataclass(frozen=True, slots=True)
class Position:
    """Where a watch stands. `index` goes into the next query, 0 for "answer at once".

    `idle` counts the answers in a row that came at once and told nothing new.
    """

    index: int = 0
    idle: int = 0

    def after(self, answered: int, *, early: bool) -> Position:
        """Where the watch stands after an answer with index `answered`; `early`: well before the wait was over.

        An index that went backwards starts the watch over. An index below 1 counts as 1: with 0 the next query would
        not block. Only an answer that moves on from a known index ends a series of idle ones, so that two servers
        that disagree, asked in turn, are idle and not news.
        """
        answered = max(1, answered)
        if answered < self.index:
            return Position(0, self.idle + 1)
        if answered > self.index:
            return Position(answered, 0 if self.index else self.idle)
        return Position(answered, self.idle + 1 if early else 0)

    def pause(self, rng: Random) -> float:
        """Seconds to wait before the next query: none, unless more than one answer in a row was idle.

        One idle answer is no fault: Consul wakes a watch now and then for a neighbour's change.
        """
        if self.idle < 2:
            return 0.0
        bound = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2.0 ** min(self.idle - 2, 30))
        return rng.uniform(bound / 2, bound)


def wait_seconds(wait: float, rng: Random) -> float:
    """How long to let a query block: up to a tenth less than `wait`, so that watches begun together drift apart."""
    return rng.uniform(0.9 * wait, wait)


def held_for(wait: float) -> float:
    """How long Consul may hold a query that asked for `wait`: it adds up to a sixteenth."""
    return wait + wait / 16


def give_up_after(wait: float, timeout: float) -> float:
    """When to give up on a query that may block for `wait`."""
    return held_for(wait) + timeout
