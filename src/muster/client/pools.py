"""Pools for those who bring their own protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from muster.balance.balancing import BALANCING, Balancing
from muster.balance.selector import ANY, Selector
from muster.client.connector import Link
from muster.client.members import Members
from muster.client.pool import Pool
from muster.model.events import Observer, ignore
from muster.watch.hub import Hub, Subscription

_Place = tuple[str, tuple[str, ...]]
"""A name, and the datacenters to find it in."""


class Pools:
    """Pools by name and wish, to whose instances nothing connects: what the registry calls healthy may be chosen."""

    def __init__(
        self,
        hub: Hub,
        balancing: Balancing = BALANCING,
        observe: Observer = ignore,
        *,
        ejects: Callable[[str], bool] = lambda name: True,
    ) -> None:
        self._hub = hub
        self._balancing = balancing
        self._ejects = ejects
        self._observe = observe
        self._open: dict[tuple[_Place, Selector], Pool[Link]] = {}
        self._watched: dict[_Place, tuple[Subscription, Members[Link]]] = {}

    def of(self, name: str, datacenters: tuple[str, ...] = (), selector: Selector = ANY) -> Pool[Link]:
        """The pool of the instances of `name` in these datacenters that `selector` wants: the same one until `close`.
        Following begins now.

        Raises BadConfiguration for an override of the name, or datacenters, that cannot be used.
        """
        place = name, datacenters
        key = place, selector
        if key not in self._open:
            self._open[key] = Pool.of(self._members_of(place), selector)
            self._open[key].open()
        return self._open[key]

    def close(self) -> None:
        while self._open:
            _, pool = self._open.popitem()
            pool.close()
        while self._watched:
            _, (watching, _) = self._watched.popitem()
            watching.close()

    def _members_of(self, place: _Place) -> Members[Link]:
        if place not in self._watched:
            name, datacenters = place
            watching = self._hub.watch(name, datacenters)
            ejects = partial(self._ejects, name)
            members: Members[Link] = Members(watching.latest, "", None, self._balancing, ejects, self._observe)
            self._watched[place] = watching, members
        return self._watched[place][1]
