"""When a node has so much more than its share that its keys spill over to the next one.

"Consistent Hashing with Bounded Loads" (Mirrokni, Thorup and Zadimoghaddam, 2016): no node has more than `factor` times
the mean of calls under way. So a key that everybody asks for does not bring down the one instance that it belongs to.
"""

from __future__ import annotations

from math import ceil
from typing import Any

from muster.balance.nodes import Node
from muster.model.errors import BadConfiguration
from muster.model.outcome import Outcome

FACTOR = 1.25
"""As in HAProxy's and Envoy's documentation: 1 would be a mere balance, 2 lets a node have twice its share."""


class Bound:
    """Counts the calls under way at all nodes of one picker: it is the measure of each of them."""

    def __init__(self, factor: float) -> None:
        """`factor` 0: no bound. Raises BadConfiguration."""
        if factor and factor <= 1:
            raise BadConfiguration(f"bounded load of {factor}: above 1, or 0 for no bound")
        self._factor = factor
        self._total = 0
        self._weights = 0.0

    def follow(self, nodes: list[Node[Any]]) -> None:
        """The nodes that share the load from now on."""
        self._weights = sum(node.weight for node in nodes)
        for node in nodes:
            node.measure = self

    def began(self) -> None:
        self._total += 1

    def ended(self, outcome: Outcome) -> None:
        self._total -= 1

    def is_full(self, node: Node[Any]) -> bool:
        """Whether one call more would be too much for the node."""
        if not self._factor or not node.inflight:
            return False
        return node.inflight >= ceil(self._factor * (self._total + 1) * node.weight / self._weights)
