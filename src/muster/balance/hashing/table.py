"""Choosing by a table that is built in slices, so that the event loop is never held up."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Generator, Iterator, Sequence
from itertools import islice
from random import Random
from typing import Any, Generic, Protocol, TypeVar

from muster.balance.hashing.bounded import FACTOR, Bound
from muster.balance.hashing.hashes import BITS, hash_of
from muster.balance.nodes import Node

L = TypeVar("L")

SLICE = 0.002
"""Seconds of one slice of building."""

Entries = Sequence[tuple[str, float]]
"""The nodes that a table is for: an id and a weight each."""


class Table(Protocol):
    def order(self, hashed: int) -> Iterator[int]:
        """The indexes of the entries in the order in which a key of that hash would have them; each at least once,
        perhaps more than once."""
        ...


Build = Callable[[Entries], Generator[None, None, Table]]
"""Builds a table; gives way at least every millisecond or so."""


class Hashing(Generic[L]):
    """Each key has its node, as long as it is there and not full; then the next in the key's own order.

    The table is for all that are registered: one that is away for a while costs no new table, and gets its keys back.
    While a table is built the last one serves, and newcomers have to wait. One that is under way is finished first, so
    that steady change does not keep any from being finished. A call without a key goes anywhere.
    """

    def __init__(self, build: Build, bound: float = FACTOR, rng: Random | None = None) -> None:
        self._build = build
        self._rng = rng or Random()
        self._bound = Bound(bound)
        self._alive: dict[Node[L], None] = {}
        self._listed: Sequence[Node[L]] = ()
        self._table: Table | None = None
        self._built: list[tuple[Node[L], int]] = []
        self._wanted: list[tuple[Node[L], int]] = []
        self._unchecked = False
        self._building: Generator[None, None, Table] | None = None
        self._next: list[tuple[Node[L], int]] = []

    def update(self, nodes: Sequence[Node[L]], registered: Sequence[Node[L]] = ()) -> None:
        self._alive = dict.fromkeys(nodes)
        self._bound.follow(list(nodes))
        self._unchecked = True
        self._wanted = [(node, node.instance.weight) for node in (registered or nodes)]

    def work(self) -> bool:
        until = time.perf_counter() + SLICE
        while self._begun():
            assert self._building is not None
            try:
                next(self._building)
            except StopIteration as end:
                self._table, self._built = end.value, self._next
                self._listed = [node for node, _ in self._built]
                self._building = None
            if time.perf_counter() >= until:
                return True
        return False

    def _begun(self) -> bool:
        """Whether a table is being built."""
        if self._building is not None or not self._unchecked:
            return self._building is not None
        self._unchecked = False
        if self._wanted != self._built:
            self._next = self._wanted
            entries = [(name_of(node), float(weight)) for node, weight in self._wanted]
            self._building = self._build(entries)
        return self._building is not None

    def pick(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        hashed = self._rng.getrandbits(BITS) if key is None else hash_of(key)
        full = other = None
        for node in self._order(hashed):
            if node not in self._alive:
                continue
            if node in tried:
                other = other or node
            elif self._bound.is_full(node):
                full = full or node
            else:
                return node
        return full or other or next(iter(self._alive), None)

    def _order(self, hashed: int) -> Iterator[Node[L]]:
        """Nodes in the key's order; any order before there is a first table, or where the table is all of the past."""
        if self._table is not None and self._built:
            listed = self._listed
            # So many entries show nearly every node; whoever wants none of them gets any other.
            for index in islice(self._table.order(hashed), 4 * len(listed)):
                yield listed[index]
        alive = list(self._alive)
        start = hashed % len(alive) if alive else 0
        yield from alive[start:]
        yield from alive[:start]


def name_of(node: Node[Any]) -> str:
    """What a node's place is made of. The address is in it, since Consul's ids are unique for an agent only."""
    return f"{node.instance.id}@{node.instance.address}"
