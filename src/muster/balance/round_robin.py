"""Each in turn, in proportion to the weights."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from heapq import heapify, heappop, heappush, heapreplace
from random import Random
from typing import Generic, TypeVar

from muster.balance.nodes import Node

L = TypeVar("L")

Turn = tuple[float, int, Node[L]]
"""When a node's turn is, in turns; a number that tells equal ones apart; the node."""


class RoundRobin(Generic[L]):
    """Each node in turn; one of weight 2 has two turns where others have one, and not both at once.

    The first is drawn by lot, lest a fleet of clients that start together march in step. With equal weights a turn is
    a step in a list; else the earliest deadline is next (as in Envoy's scheduler), which takes O(log n) where the
    smooth weighted round robin of nginx takes O(n) for the same order but for ties.
    """

    def __init__(self, rng: Random | None = None) -> None:
        self._nodes: Sequence[Node[L]] = ()
        self._rng = rng or Random()
        self._last: int | None = None
        self._turns: list[Turn[L]] = []
        self._now = 0.0

    def update(self, nodes: Sequence[Node[L]], registered: Sequence[Node[L]] = ()) -> None:
        """The turn goes on from where it was, so that changes do not send every first call to the same node."""
        self._nodes = nodes
        if self._last is None and nodes:
            self._last = self._rng.randrange(len(nodes))
        if len({node.weight for node in nodes}) < 2:
            self._turns = []
            return
        before = {node: when for when, _, node in self._turns}
        self._turns = [(self._turn(node, before), number, node) for number, node in enumerate(nodes)]
        heapify(self._turns)

    def _turn(self, node: Node[L], before: dict[Node[L], float]) -> float:
        """When a node's turn is. A weight that has grown since brings it forward: it is new and warms up."""
        first = self._now + self._rng.random() / node.weight
        return min(before.get(node, first), self._now + 1 / node.weight)

    def pick(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        if self._turns:
            return self._weighted(tried)
        nodes = self._nodes
        if not nodes:
            return None
        first = self._next(nodes)
        if first not in tried:
            return first
        for _ in range(len(nodes) - 1):
            node = self._next(nodes)
            if node not in tried:
                return node
        return first

    def _next(self, nodes: Sequence[Node[L]]) -> Node[L]:
        assert self._last is not None, "set by the first update with nodes"
        self._last = (self._last + 1) % len(nodes)
        return nodes[self._last]

    def _weighted(self, tried: Collection[Node[L]]) -> Node[L]:
        turns = self._turns
        if turns[0][2] not in tried:
            return self._take(turns)
        skipped = [heappop(turns)]
        while turns and turns[0][2] in tried:
            skipped.append(heappop(turns))
        node = self._take(turns) if turns else skipped[0][2]
        for turn in skipped:
            heappush(turns, turn)
        return node

    def _take(self, turns: list[Turn[L]]) -> Node[L]:
        self._now, number, node = turns[0]
        heapreplace(turns, (self._now + 1 / node.weight, number, node))
        return node
