"""Attempts under way, relative to the weight."""

from __future__ import annotations

from typing import Any

from muster.balance.nodes import Node


class InFlight:
    """The node itself counts: nothing more has to be measured. A slow instance fills up, and so gets fewer calls."""

    def follow(self, node: Node[Any]) -> None:
        pass

    def cost(self, node: Node[Any]) -> float:
        return node.inflight / node.weight
