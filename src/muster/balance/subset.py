"""Which part of a large set one client uses, so that 1,000 clients of 1,000 instances are not 1,000,000 connections.

Instances stand on a circle in the order of a hash of their ids, each client at a position on it, and uses the `size`
instances from there on (the idea is Finagle's deterministic aperture). One instance more or less changes at most two of
a subset. With positions spread evenly (`position=(index, clients)`) every instance has the same number of clients, give
or take one; with positions by lot, which need no coordination, the numbers scatter as sqrt(clients * size / instances).
Pure.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import lru_cache

from muster.balance.hashing.hashes import hash_of
from muster.balance.nodes import Key
from muster.model.errors import BadConfiguration
from muster.model.typed import check_types


def _somewhere() -> float:
    """A position that hosts and processes do not share."""
    return hash_of(f"{socket.gethostname()}/{os.getpid()}") / 2**64


@dataclass(frozen=True, slots=True)
class Subset:
    """Use `size` instances of a set that is larger. `position`: the index of this client and the number of clients, or
    a number from 0 up to 1; by default it is by lot, from the host's name and the process's id.

    Sets of up to twice the size are used whole. Small subsets make small fleets of clients load instances unevenly,
    or not at all: be sure that clients times size is some times the number of instances.
    """

    size: int
    position: tuple[int, int] | float = field(default_factory=_somewhere)

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        if self.size < 1:
            raise BadConfiguration(f"subset of size {self.size}: at least 1")
        if not 0 <= self.start < 1:
            raise BadConfiguration(f"position {self.position}: (index, clients), or a number from 0 up to 1")

    @property
    def start(self) -> float:
        """Where on the circle, from 0 up to 1."""
        if isinstance(self.position, tuple):
            index, clients = self.position
            return index / clients if clients > 0 else -1.0
        return self.position

    def of(self, keys: Collection[Key]) -> frozenset[Key]:
        """The members of a set that this client uses."""
        if len(keys) <= 2 * self.size:
            return frozenset(keys)
        circle = sorted(keys, key=_place)
        first = self._first(len(circle))
        return frozenset((circle + circle[: self.size])[first : first + self.size])

    def _first(self, of: int) -> int:
        """Index on the circle. In whole numbers where they are known: 0.29 * 200 is less than 58."""
        if isinstance(self.position, tuple):
            index, clients = self.position
            return index * of // clients
        return int(self.position * of)


@lru_cache(maxsize=20_000)
def _place(key: Key) -> int:
    return hash_of(f"{key[0]}@{key[1]}:{key[2]}")
