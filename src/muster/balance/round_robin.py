"""Each in turn."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from random import Random
from typing import Generic, TypeVar

from muster.balance.nodes import Node

L = TypeVar("L")


class RoundRobin(Generic[L]):
    """Each node in turn. The first is drawn by lot, lest a fleet of clients that start together march in step."""

    def __init__(self, rng: Random | None = None) -> None:
        self._nodes: Sequence[Node[L]] = ()
        self._rng = rng or Random()
        self._last: int | None = None

    def update(self, nodes: Sequence[Node[L]]) -> None:
        """The turn goes on from where it was, so that changes do not send every first call to the same node."""
        self._nodes = nodes
        if self._last is None and nodes:
            self._last = self._rng.randrange(len(nodes))

    def pick(self, tried: Collection[Node[L]] = ()) -> Node[L] | None:
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
