"""Pools for those who bring their own protocol."""

from __future__ import annotations

from muster.client.connector import Link
from muster.client.pool import Pool
from muster.model.events import Observer, ignore
from muster.watch.hub import Hub, Subscription


class Pools:
    """A pool for each name, to whose instances nothing connects: what the registry calls healthy may be chosen."""

    def __init__(self, hub: Hub, observe: Observer = ignore) -> None:
        self._hub = hub
        self._observe = observe
        self._open: dict[str, tuple[Subscription, Pool[Link]]] = {}

    def of(self, name: str) -> Pool[Link]:
        """The pool of `name`: the same one until `close`. Following begins now.

        Raises BadConfiguration for an override of the name that cannot be used.
        """
        if name not in self._open:
            watching = self._hub.watch(name)
            pool: Pool[Link] = Pool(watching.latest, observe=self._observe)
            self._open[name] = watching, pool
            pool.open()
        return self._open[name][1]

    def close(self) -> None:
        while self._open:
            _, (watching, pool) = self._open.popitem()
            pool.close()
            watching.close()
