"""The instances of one name and the connections to them, for all the pools that choose among them."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Generic, Protocol

from muster.balance.balancing import Balancing
from muster.balance.fleet import Fleet
from muster.balance.nodes import Node, Readiness
from muster.client.connector import Connection, Connector, LinkT
from muster.model.events import Observer
from muster.model.snapshot import Absent, Known, Snapshot, Stale
from muster.watch.latest import Latest

SLICE = 0.005
"""Seconds in which connections are begun in one piece: a gRPC channel takes 0.1 ms, and 10,000 of them are a second."""

PART = 2_000
"""Instances that are taken in at a time at first."""


def always() -> bool:
    return True


class Chooser(Protocol[LinkT]):
    """A pool, as its members see it. Nothing here waits."""

    def wants(self, node: Node[LinkT]) -> bool: ...

    def notify(self) -> None: ...

    @property
    def sliced(self) -> bool: ...

    def work(self) -> bool: ...


class Members(Generic[LinkT]):
    """Connects to each instance that one of its pools wants, once, from the first pool on until the last has left.

    Without a connector there are no connections. For one event loop.
    """

    def __init__(
        self,
        latest: Latest[Snapshot],
        protocol: str,
        connector: Connector[LinkT] | None,
        balancing: Balancing,
        ejects: Callable[[], bool],
        observe: Observer,
    ) -> None:
        self.name = latest.value.name
        self.fleet: Fleet[LinkT] = Fleet(
            self.name, protocol, balancing, connects=connector is not None, ejects=ejects, observe=observe
        )
        self._latest = latest
        self._connector = connector
        self._pools: list[Chooser[LinkT]] = []
        self._connections: dict[Node[LinkT], Connection] = {}
        self._unconnected: deque[Node[LinkT]] = deque()
        self._unlisten: Callable[[], None] | None = None
        self._working = False
        self._growing = False

    def enter(self, pool: Chooser[LinkT]) -> None:
        """Connect to those whom `pool` wants, from now on."""
        self._pools.append(pool)
        if self._unlisten is None:
            self._unlisten = self._latest.listen(self._take)
            self._take(self._latest.value)
        else:
            self._look_again()

    def leave(self, pool: Chooser[LinkT]) -> None:
        """Close the connections that no other pool wants. Nothing happens for one that has not entered."""
        if pool not in self._pools:
            return
        self._pools.remove(pool)
        if self._pools:
            self._look_again()
        elif self._unlisten is not None:
            self._unlisten()
            self._unlisten = None
            self._take(Absent(self.name))

    @property
    def snapshot(self) -> Snapshot:
        return self._latest.value

    @property
    def busy(self) -> bool:
        """Whether a change is still being worked on: connections that are not begun yet, tables of pickers."""
        return self._working or self._growing

    def report(self, node: Node[LinkT], readiness: Readiness, why: str, link: LinkT | None) -> None:
        """The verdict of a connection, or of who has used it."""
        if node.gone:
            return
        self.fleet.report(node, readiness, why, link)
        if node.gone:
            self._disconnect(node)
        self._change()

    def _look_again(self) -> None:
        """Whom the pools want has changed."""
        if self._connector is not None:
            self._unconnected.extend(self.fleet.nodes)
        self._change()

    def _take(self, snapshot: Snapshot) -> None:
        change = self.fleet.take(self._part(snapshot))
        for node in change.removed:
            self._disconnect(node)
        if self._connector is not None:
            self._unconnected.extend((*change.added, *change.changed))
        self._change()

    def _part(self, snapshot: Snapshot) -> Snapshot:
        """What of a snapshot to take now. The first of a large name is taken in parts, turn by turn of the loop: 10,000
        instances at once are some 15 ms, and as much again for the garbage collector."""
        here = len(self.fleet.nodes)
        large = isinstance(snapshot, Known | Stale) and len(snapshot.instances) > here + PART
        if not large or (here and not self._growing) or not _is_on_loop():
            self._growing = False
            return snapshot
        assert isinstance(snapshot, Known | Stale)
        self._growing = True
        asyncio.get_running_loop().call_soon(self._grow)
        return replace(snapshot, instances=snapshot.instances[: here + PART])

    def _grow(self) -> None:
        if self._growing:
            self._take(self._latest.value)

    def _connect(self, node: Node[LinkT], connector: Connector[LinkT]) -> None:
        """Connections are opened once the registry calls a node healthy, and kept through bad times."""
        if node.gone:
            return
        if node.outside or not any(pool.wants(node) for pool in self._pools):
            if node in self._connections:
                self._disconnect(node)
                self.fleet.disconnected(node)
        elif node.fit and not node.doubtful and node not in self._connections:
            self._connections[node] = connector.connect(node.instance, partial(self.report, node))

    def _disconnect(self, node: Node[LinkT]) -> None:
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection.close()

    def _change(self) -> None:
        for pool in self._pools:
            pool.notify()
        if not self._working and (self._unconnected or any(pool.sliced for pool in self._pools)):
            self._work()

    def _work(self) -> None:
        """Begin to connect, and let the pickers build their tables, slice by slice; the first slice at once. Where
        there is no loop, there is none to hold up."""
        if not _is_on_loop():
            while self._work_on():
                pass
            return
        self._working = bool(self._pools) and self._work_on()
        if self._working:
            asyncio.get_running_loop().call_soon(self._work)

    def _work_on(self) -> bool:
        """One slice. Returns whether something is left."""
        until = time.perf_counter() + SLICE
        while self._unconnected and self._connector is not None:
            self._connect(self._unconnected.popleft(), self._connector)
            if time.perf_counter() >= until:
                return True
        left = [pool.work() for pool in self._pools]
        return any(left)


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
