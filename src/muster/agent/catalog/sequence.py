"""The one sequence of indexes that all tables of an agent share."""

from __future__ import annotations


class Sequence:
    """The index of the last change. Whoever writes takes `last + 1` and moves `last` once something has changed."""

    __slots__ = ("last",)

    def __init__(self, first: int) -> None:
        self.last = max(first, 1)
