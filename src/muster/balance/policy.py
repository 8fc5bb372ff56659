"""What every policy of choosing is."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Protocol, TypeVar

from muster.balance.nodes import Node

L = TypeVar("L")


class Picker(Protocol[L]):
    """Chooses among the nodes that may be called. Belongs to one pool and its event loop; no I/O, no waiting."""

    def update(self, nodes: Sequence[Node[L]]) -> None:
        """From now on choose among `nodes`: all of them may be called. The sequence will not change."""
        ...

    def pick(self, tried: Collection[Node[L]] = ()) -> Node[L] | None:
        """The node for one attempt, not one of `tried` if there is another; None only if there are no nodes."""
        ...
