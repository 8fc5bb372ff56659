"""A limit for the calls under way that finds itself: what TCP does about a network that it knows nothing of. Pure.

Additive increase, multiplicative decrease (Chiu and Jain, 1989): an answer while the limit is in use raises it by its
own inverse, so by one for each limit's worth of answers; a call that the service had no time for lowers it by a tenth.
Clients that share a service come to alike shares without knowing of each other. Latency is no measure here: methods
differ, and an average soon takes the latencies of an overload for the usual ones (the figures are in
docs/performance.md).
"""

from __future__ import annotations

from muster.model.outcome import Outcome

FIRST = 100.0
"""Calls under way, until the first sign of overload; up to then the limit doubles with each round that fills it."""

LESS = 0.9

OVERLOAD = frozenset({"DEADLINE_EXCEEDED", "RESOURCE_EXHAUSTED"})
"""How calls end that a service had no time for. A connection that is lost says nothing of it."""


class Adaptive:
    """`limit`: calls that may be under way; at least 1, so that it is found out when the overload is over."""

    def __init__(self) -> None:
        self.limit = FIRST
        self._rising = True

    def ended(self, outcome: Outcome, under_way: int) -> None:
        """An attempt has ended; `under_way` of them counted it still."""
        if outcome.hurried:
            return
        if outcome.code in OVERLOAD or outcome.unread:
            self._rising = False
            self.limit = max(1.0, self.limit * LESS)
        elif outcome.ok and under_way * 2 > self.limit:
            self.limit += 1.0 if self._rising else 1 / self.limit
