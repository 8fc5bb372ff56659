"""Latency: peaks count at once and fade slowly.

Finagle's measure (finagle-core, loadbalancer/PeakEwma.scala): an exponentially weighted moving average whose weights
are by time and not by number, so that it means the same at 1 call a second and at 10,000; a latency above the average
replaces it. So a stall is avoided at the first slow answer, and forgiven within some times the decay.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from math import exp
from typing import Any, cast

from muster.balance.nodes import FAULTS, Node
from muster.model.outcome import Outcome

DECAY = 10.0
"""Seconds in which an old latency fades to 1/e, as in Finagle."""

UNKNOWN = 1e-6
"""Seconds of latency of a node that has answered nothing yet: cheaper than any, until a call is under way."""

PENALTY = 1.0
"""Seconds that a fault counts as, at least: who fails fast must not look fast."""


class Latency:
    """What one node's calls took."""

    __slots__ = ("_clock", "_decay", "_stamp", "known", "seconds")

    def __init__(self, decay: float, clock: Callable[[], float]) -> None:
        self._decay = decay
        self._clock = clock
        self._stamp = clock()
        self.seconds = UNKNOWN
        self.known = False

    def began(self) -> None:
        pass

    def ended(self, outcome: Outcome) -> None:
        """A call that was cancelled, or hurried, took at least so long: it counts where that is worse than the
        average."""
        cancelled = outcome.code == "CANCELLED" or outcome.hurried
        fault = outcome.code in FAULTS and not cancelled
        seconds = max(outcome.seconds, PENALTY) if fault else outcome.seconds
        present = self.present()
        if seconds > present:
            self.seconds = seconds
        elif not cancelled:
            fade = exp(-(self._clock() - self._stamp) / self._decay)
            self.seconds = self.seconds * fade + seconds * (1 - fade)
        else:
            return
        self.known = self.known or not cancelled
        self._stamp = self._clock()

    def present(self) -> float:
        """Seconds now. While nothing is heard of it, a bad one becomes better with time, so that it is tried again."""
        seconds = self.seconds * exp((self._stamp - self._clock()) / self._decay)
        return seconds if seconds > UNKNOWN else UNKNOWN


class PeakEWMA:
    """The latency, times the calls that would share the node."""

    def __init__(self, decay: float = DECAY, clock: Callable[[], float] = time.monotonic) -> None:
        self._decay = decay
        self._clock = clock

    def follow(self, node: Node[Any]) -> None:
        if not isinstance(node.measure, Latency):
            node.measure = Latency(self._decay, self._clock)

    def cost(self, node: Node[Any]) -> float:
        """A node of unknown latency with a call under way waits for its first answer: it costs as much as a fault."""
        latency = cast(Latency, node.measure)  # by `follow`
        if not node.inflight:
            return latency.present()
        if not latency.known:
            return PENALTY + node.inflight
        return latency.present() * (1 + node.inflight / node.weight)
