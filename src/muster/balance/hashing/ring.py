"""Ring hash: nodes own the arcs of a circle.

One node of N that leaves moves its own keys and no others: 1/N of them on average. The price is unevenness: with 128
points a node, the busiest of 100 nodes has about a quarter more keys than the mean (the standard deviation of a share
is about 1/sqrt(points)).
"""

from __future__ import annotations

from bisect import bisect
from collections.abc import Generator, Iterator
from typing import Any

from muster.balance.hashing.bounded import FACTOR
from muster.balance.hashing.hashes import BITS, points_of
from muster.balance.hashing.table import Entries, Hashing, Table

POINTS = 128
"""Of a node of mean weight, where there is room."""

ROOM = 1 << 16
"""Points on a ring. Above 512 nodes each has less than 128, and above some thousands shares get very uneven."""

_PARTS = 64
"""The ring is sorted part by part: a sort cannot give way."""


class Ring:
    """The points in their order, and whose they are."""

    def __init__(self, points: list[int], owners: dict[int, int]) -> None:
        self._points = points
        self._owners = owners

    def order(self, hashed: int) -> Iterator[int]:
        points, owners = self._points, self._owners
        start = bisect(points, hashed)
        for index in range(start, start + len(points)):
            yield owners[points[index % len(points)]]


def build(entries: Entries) -> Generator[None, None, Table]:
    owners: dict[int, int] = {}
    parts: list[list[int]] = [[] for _ in range(_PARTS)]
    mean = sum(weight for _, weight in entries) / max(len(entries), 1)
    for index, (name, weight) in enumerate(entries):
        for point in points_of(name, max(1, round(_usual(len(entries)) * weight / mean))):
            owners[point] = index
            parts[point * _PARTS >> BITS].append(point)
        yield
    points: list[int] = []
    for part in parts:
        part.sort()
        points += part
        yield
    return Ring(points, owners)


def _usual(count: int) -> int:
    """Points of a node of mean weight among so many: a power of two, so that it seldom changes and moves few keys."""
    return max(1, min(POINTS, 1 << (ROOM // max(count, 1)).bit_length() - 1))


def ring_hash(bound: float = FACTOR) -> Hashing[Any]:
    """`bound`: no node has more than so many times its share of calls under way; 0 for no bound."""
    return Hashing(build, bound)
