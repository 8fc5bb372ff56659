"""Maglev: a table in which every node has the same number of places.

Each node prefers the places in an order of its own, and they take turns. Shares are even within a percent, and a look
into a list finds a key's node. One node of N that leaves for good moves its own 1/N of the keys and about as many again
at most (Eisenbud and others, "Maglev: A Fast and Reliable Software Network Load Balancer", NSDI 2016, section 5.3).
"""

from __future__ import annotations

from array import array
from collections.abc import Generator, Iterator
from typing import Any

from muster.balance.hashing.bounded import FACTOR
from muster.balance.hashing.hashes import points_of
from muster.balance.hashing.table import Entries, Hashing, Table

PLACES = 65_537
"""A prime, as it must be; the paper's and Envoy's. It wants to be 100 times the number of nodes for even shares."""

_BATCH = 200
"""Looks for a free place between two chances to give way."""


class Places:
    """Whose each place is."""

    def __init__(self, owners: array[int]) -> None:
        self._owners = owners

    def order(self, hashed: int) -> Iterator[int]:
        owners = self._owners
        start = hashed % len(owners)
        for index in range(start, start + len(owners)):
            yield owners[index % len(owners)]


def build(entries: Entries) -> Generator[None, None, Table]:
    owners = array("i", [-1]) * PLACES
    turns = _turns(entries)
    where: list[int] = []
    steps: list[int] = []
    for name, _ in entries:
        offset, step = points_of(name, 2)
        where.append(offset % PLACES)
        steps.append(step % (PLACES - 1) + 1)
        yield
    looks = 0
    for _ in range(PLACES if entries else 0):
        index = next(turns)
        place, step = where[index], steps[index]
        while owners[place] >= 0:
            place = (place + step) % PLACES
            looks += 1
        owners[place] = index
        where[index] = (place + step) % PLACES
        looks += 1
        if looks >= _BATCH:
            looks = 0
            yield
    return Places(owners)


def _turns(entries: Entries) -> Iterator[int]:
    """Whose turn it is to take a place: of the heaviest in every round, of others in proportion."""
    most = max((weight for _, weight in entries), default=1.0)
    credit = [0.0] * len(entries)
    while True:
        for index, (_, weight) in enumerate(entries):
            credit[index] += weight / most
            if credit[index] >= 1 - 1e-9:
                credit[index] -= 1
                yield index


def maglev(bound: float = FACTOR) -> Hashing[Any]:
    """`bound`: no node has more than so many times its share of calls under way; 0 for no bound."""
    return Hashing(build, bound)
