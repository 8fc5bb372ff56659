"""The own zone first; as its capacity falls, more and more of the others."""

from __future__ import annotations

import os
from collections.abc import Collection, Sequence
from random import Random
from typing import Generic, TypeVar

from muster.balance.nodes import Node
from muster.balance.policy import Picker
from muster.balance.two_choices import least_request

L = TypeVar("L")

HEADROOM = 1.4
"""How much more than usual instances can take, as Envoy's overprovisioning factor: calls stay in the zone until less
than 1/1.4 = 71 % of its capacity is left."""


class ZoneAware(Generic[L]):
    """Calls stay in `zone` (None: MUSTER_ZONE) while it has 71 % of its registered weight; below that, its share falls
    in proportion, to none when nobody is left. Within a zone, and among the others, least request chooses.

    An unknown zone, or one in which nobody is registered, makes no difference between instances.
    """

    def __init__(self, zone: str | None = None, rng: Random | None = None) -> None:
        self._zone = os.environ.get("MUSTER_ZONE", "") if zone is None else zone
        self._random = (rng or Random()).random
        self._local: Picker[L] = least_request()
        self._others: Picker[L] = least_request()
        self._share = 0.0

    def update(self, nodes: Sequence[Node[L]], registered: Sequence[Node[L]] = ()) -> None:
        local = [node for node in nodes if self._zone and node.instance.zone == self._zone]
        others = [node for node in nodes if not self._zone or node.instance.zone != self._zone]
        usual = sum(node.instance.weight for node in registered or nodes if node.instance.zone == self._zone)
        self._share = share(sum(node.instance.weight for node in local), usual) if others else 1.0
        self._local.update(local, ())
        self._others.update(others, ())

    def pick(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        first, second = self._local, self._others
        if self._share < 1 and self._random() >= self._share:
            first, second = second, first
        node = first.pick(tried)
        if node is not None and node not in tried:
            return node
        other = second.pick(tried)
        return other if other is not None and other not in tried else node or other


def share(present: float, usual: float) -> float:
    """How much of the calls stays in a zone that has `present` of its usual weight."""
    return min(1.0, HEADROOM * present / usual) if usual > 0 else 0.0
