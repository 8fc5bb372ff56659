"""What every policy of choosing is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from typing import Any, Protocol, TypeVar, runtime_checkable

from muster.balance.nodes import Node

L = TypeVar("L")


class Picker(Protocol[L]):
    """Chooses among the nodes that may be called. Belongs to one pool and its event loop; no I/O, no waiting."""

    def update(self, nodes: Sequence[Node[L]], registered: Sequence[Node[L]]) -> None:
        """From now on choose among `nodes`: all of them may be called. Called when they or their weights have changed.

        `registered`: these and all others that could be called if they were well. The sequences will not change.
        """
        ...

    def pick(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        """The node for one attempt, not one of `tried` if there is another; None only if there are no nodes.

        `tried` may be a collection that can only be looked into. `key`: calls with the same one go to the same node,
        where the policy knows of keys; None: anywhere.
        """
        ...


@runtime_checkable
class Sliced(Protocol):
    """A picker whose `update` leaves work behind, so as not to hold up the event loop: tables to build.

    It chooses by the old table meanwhile, and never a node that was taken away.
    """

    def work(self) -> bool:
        """Do some milliseconds' worth of it. Returns whether some is left."""
        ...


Make = Callable[[], Picker[Any]]
"""Makes the picker of one pool: a class, as a rule."""


def untried(nodes: Sequence[Node[L]], tried: Collection[Node[L]]) -> list[Node[L]]:
    """The nodes that are not in `tried`, or all if there are no others."""
    return [node for node in nodes if node not in tried] or list(nodes)
