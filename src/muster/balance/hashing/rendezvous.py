"""Rendezvous: of all nodes, the one whose hash with the key is the highest.

Even, and one node of N that leaves moves its own keys alone (Thaler and Ravishankar, 1996). There is no table to build,
but a pick looks at every node: fine for a hundred, too slow for thousands.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from math import log
from random import Random
from typing import Generic, TypeVar

from muster.balance.hashing.bounded import FACTOR, Bound
from muster.balance.hashing.hashes import BITS, MASK, hash_of
from muster.balance.hashing.table import name_of
from muster.balance.nodes import Node

L = TypeVar("L")

_MULTIPLIER = 0x9E3779B97F4A7C15
"""2**64 over the golden ratio, made odd: the high bits of a product with it depend on all bits of the other factor."""


class Rendezvous(Generic[L]):
    """Each key has its node, as long as it is there and not full; then the one with the next hash."""

    def __init__(self, bound: float = FACTOR, rng: Random | None = None) -> None:
        self._rng = rng or Random()
        self._bound = Bound(bound)
        self._nodes: Sequence[Node[L]] = ()
        self._seeds: list[int] = []
        self._known: dict[Node[L], int] = {}
        self._weights: list[int] | None = None

    def update(self, nodes: Sequence[Node[L]], registered: Sequence[Node[L]] = ()) -> None:
        known = self._known
        self._nodes = nodes
        self._known = {node: known.get(node) or hash_of(name_of(node)) for node in nodes}
        self._seeds = list(self._known.values())
        weights = [node.instance.weight for node in nodes]
        self._weights = None if len(set(weights)) < 2 else weights
        self._bound.follow(list(nodes))

    def pick(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        if not self._nodes:
            return None
        scores = self._scores(self._rng.getrandbits(BITS) if key is None else hash_of(key))
        best = self._nodes[scores.index(max(scores))]
        if best not in tried and not self._bound.is_full(best):
            return best
        order = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
        left = [self._nodes[index] for index in order if self._nodes[index] not in tried]
        return next((node for node in left if not self._bound.is_full(node)), left[0] if left else best)

    def _scores(self, hashed: int) -> Sequence[float]:
        mixed = [_mixed(seed ^ hashed) for seed in self._seeds]
        if self._weights is None:
            return mixed
        # -weight / log(u) for u in (0, 1): https://datatracker.ietf.org/doc/html/draft-ietf-bess-weighted-hrw
        return [
            -weight / log((number + 0.5) / (MASK + 1.0)) for weight, number in zip(self._weights, mixed, strict=True)
        ]


def _mixed(number: int) -> int:
    number = number * _MULTIPLIER & MASK
    return (number ^ number >> 32) * _MULTIPLIER & MASK
