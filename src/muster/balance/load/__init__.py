"""How loaded a node is: apart from choosing by it.

inflight.py   attempts under way, relative to the weight
peak_ewma.py  latency: peaks count at once and fade slowly
"""

from __future__ import annotations

from typing import Any, Protocol

from muster.balance.nodes import Node


class Load(Protocol):
    """Measures the nodes of one picker."""

    def follow(self, node: Node[Any]) -> None:
        """The node may be chosen from now on; called again for one that is followed already."""
        ...

    def cost(self, node: Node[Any]) -> float:
        """How costly the node is for the next call: less is better. Only for nodes that are followed."""
        ...
