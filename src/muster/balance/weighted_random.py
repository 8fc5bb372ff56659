"""By lot, in proportion to the weights."""

from __future__ import annotations

from bisect import bisect
from collections.abc import Collection, Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

from muster.balance.nodes import Node
from muster.balance.policy import untried

L = TypeVar("L")


class WeightedRandom(Generic[L]):
    """Draws each time anew: fair over many calls, without a thought for load. Good for many clients with few calls."""

    def __init__(self, rng: Random | None = None) -> None:
        self._rng = rng or Random()
        self._nodes: Sequence[Node[L]] = ()
        self._sums: list[float] = []

    def update(self, nodes: Sequence[Node[L]], registered: Sequence[Node[L]] = ()) -> None:
        self._nodes = nodes
        self._sums = list(accumulate(node.weight for node in nodes))

    def pick(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        if not self._nodes:
            return None
        node = self._nodes[bisect(self._sums, self._rng.random() * self._sums[-1], 0, len(self._sums) - 1)]
        if node not in tried:
            return node
        others = untried(self._nodes, tried)
        return self._rng.choices(others, [other.weight for other in others])[0]
