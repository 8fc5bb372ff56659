"""Pools for those who bring their own protocol."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from muster.balance.balancing import BALANCING, Balancing
from muster.balance.selector import ANY, Selector
from muster.client.connector import Link
from muster.client.pool import Pool
from muster.model.events import Observer, ignore
from muster.watch.hub import Hub, Subscription


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
        self._open: dict[tuple[str, Selector], tuple[Subscription, Pool[Link]]] = {}

    def of(self, name: str, selector: Selector = ANY) -> Pool[Link]:
        """The pool of the instances of `name` that `selector` wants: the same one until `close`. Following begins now.

        Raises BadConfiguration for an override of the name that cannot be used.
        """
        key = name, selector
        if key not in self._open:
            watching = self._hub.watch(name)
            pool: Pool[Link] = Pool(
                watching.latest,
                selector=selector,
                balancing=self._balancing,
                ejects=partial(self._ejects, name),
                observe=self._observe,
            )
            self._open[key] = watching, pool
            pool.open()
        return self._open[key][1]

    def close(self) -> None:
        while self._open:
            _, (watching, pool) = self._open.popitem()
            pool.close()
            watching.close()
