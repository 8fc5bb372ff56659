"""What all sessions of a client share of one service: its instances, what is known of each, and the connections."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from random import Random

from yarl import URL

from muster.balance.balancing import BALANCING, Balancing
from muster.call.breaker import Concurrency
from muster.client.members import Members
from muster.http.client.dialing import Dialing
from muster.http.client.link import Link
from muster.http.client.links import Links, Spawn
from muster.model.events import Observer
from muster.model.instance import HTTP
from muster.watch.hub import Hub, Subscription

Key = tuple[str, str, tuple[str, ...]]
"""Scheme, name and datacenters."""


@dataclass(frozen=True)
class Opening:
    """How services are opened. `spawn` owns the tasks that keep connections; `ejects(name)` tells whether failures may
    be held against the instances of `name` at this moment; `concurrency`: limits for requests under way, or None."""

    hub: Hub
    spawn: Spawn
    dialing: Dialing
    observe: Observer
    balancing: Balancing = BALANCING
    ejects: Callable[[str], bool] = lambda name: True
    concurrency: Concurrency | None = None


@dataclass(eq=False)
class Shared:
    """One service by one scheme. `users`: how many sessions call it."""

    key: Key
    members: Members[Link]
    links: Links
    subscription: Subscription
    users: int = 0


class Fleets:
    """Services by scheme, name and datacenters, as long as anybody calls them. For one event loop."""

    def __init__(self, opening: Opening) -> None:
        self._opening = opening
        self._rng = Random()
        self._open: dict[Key, Shared] = {}

    def enter(self, scheme: str, name: str, datacenters: tuple[str, ...]) -> Shared:
        """The service, which is watched from now on. Raises BadConfiguration for datacenters that cannot be used."""
        key = (scheme, name, datacenters)
        shared = self._open.get(key)
        if shared is None:
            shared = self._open[key] = self._new(key)
        shared.users += 1
        return shared

    def leave(self, shared: Shared) -> None:
        """One user less; after the last it is not watched any more."""
        shared.users -= 1
        if not shared.users:
            del self._open[shared.key]
            shared.subscription.close()

    def _new(self, key: Key) -> Shared:
        scheme, name, datacenters = key
        opening = self._opening
        subscription = opening.hub.watch(name, datacenters)
        links = Links(URL.build(scheme=scheme, host=name), opening.dialing, opening.spawn, self._rng)
        ejects = partial(opening.ejects, name)
        members: Members[Link] = Members(subscription.latest, HTTP, links, opening.balancing, ejects, opening.observe)
        return Shared(key, members, links, subscription)
