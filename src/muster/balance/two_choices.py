"""The less loaded of two that are drawn by lot."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Sequence
from itertools import accumulate
from random import Random
from typing import Any, Generic, TypeVar

from muster.balance.load import Load
from muster.balance.load.inflight import InFlight
from muster.balance.load.peak_ewma import PeakEWMA
from muster.balance.nodes import Node
from muster.balance.policy import untried

L = TypeVar("L")


class TwoChoices(Generic[L]):
    """Draws two nodes and takes the one that costs less; the first, if they are equal.

    Two choices avoid the worst nearly as well as looking at all of them, in constant time, and without the herd that
    looking at all of them makes of many clients: each of them would find the same best one (Mitzenmacher, "The Power of
    Two Choices in Randomized Load Balancing", 2001).

    With unequal weights the draw is by weight: so an idle set shares in proportion.
    """

    def __init__(self, load: Load, rng: Random | None = None) -> None:
        self._load = load
        self._cost = load.cost
        self._random = (rng or Random()).random
        self._nodes: Sequence[Node[L]] = ()
        self._sums: list[float] | None = None

    def update(self, nodes: Sequence[Node[L]], registered: Sequence[Node[L]] = ()) -> None:
        self._nodes = nodes
        equal = len({node.weight for node in nodes}) < 2
        self._sums = None if equal else list(accumulate(node.weight for node in nodes))
        for node in nodes:
            self._load.follow(node)

    def pick(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        nodes = self._nodes
        count = len(nodes)
        if count < 2:
            return nodes[0] if nodes else None
        if self._sums is None:
            first = int(self._random() * count)
            second = int(self._random() * (count - 1))
            second += second >= first
        else:
            first, second = self._draw(self._sums), self._draw(self._sums)
        one, other = nodes[first], nodes[second]
        if tried and (one in tried or other in tried):
            return self._elsewhere(one, other, tried)
        return other if self._cost(other) < self._cost(one) else one

    def _draw(self, sums: list[float]) -> int:
        return bisect(sums, self._random() * sums[-1], 0, len(sums) - 1)

    def _elsewhere(self, one: Node[L], other: Node[L], tried: Collection[Node[L]]) -> Node[L]:
        for node in (one, other):
            if node not in tried:
                return node
        left = untried(self._nodes, tried)
        start = int(self._random() * len(left))
        return min(left[start], left[start - 1], key=self._cost)


def least_request() -> TwoChoices[Any]:
    """The default: of two nodes, the one with fewer calls of this client under way."""
    return TwoChoices(InFlight())


def peak_ewma() -> TwoChoices[Any]:
    """Of two nodes, the one whose latency times its calls under way is less."""
    return TwoChoices(PeakEWMA())
