"""Watch and pick for one name: the waist between the registry and the transports."""

from __future__ import annotations

import asyncio
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from dataclasses import replace
from functools import partial
from typing import Generic

from muster.balance.balancer import Balancer
from muster.balance.balancing import BALANCING, Balancing
from muster.balance.explanation import Explanation
from muster.balance.nodes import Node, Readiness
from muster.balance.selector import ANY, Selector
from muster.client.connector import Connection, Connector, LinkT
from muster.client.lease import Lease
from muster.model.errors import MusterError, NoInstances, RegistryUnavailable
from muster.model.events import Observer, ignore
from muster.model.snapshot import Absent, Known, Pending, Snapshot, Stale
from muster.watch.latest import Latest

SLICE = 0.005
"""Seconds in which connections are begun in one piece: a gRPC channel takes 0.1 ms, and 10,000 of them are a second."""


PART = 2_000
"""Instances that are taken in at a time at first."""


def always() -> bool:
    return True


class Pool(Generic[LinkT]):
    """The instances of one name that may be called by `protocol` and that `selector` wants, and whose turn it is.

    With a connector only connected instances are chosen; without one, every healthy instance is. Belongs to one event
    loop. Nothing happens before `open`; `close` ends it for good.
    """

    def __init__(
        self,
        latest: Latest[Snapshot],
        protocol: str = "",
        *,
        connector: Connector[LinkT] | None = None,
        selector: Selector = ANY,
        balancing: Balancing = BALANCING,
        ejects: Callable[[], bool] = always,
        observe: Observer = ignore,
    ) -> None:
        """`ejects` tells whether calls may be held against an instance at this moment."""
        self.name = latest.value.name
        self.key = balancing.key
        self._latest = latest
        self._connector = connector
        self._balancer: Balancer[LinkT] = Balancer(
            self.name,
            replace(selector, protocol=protocol or selector.protocol),
            balancing,
            connects=connector is not None,
            ejects=ejects,
            observe=observe,
        )
        self._connections: dict[Node[LinkT], Connection] = {}
        self._unconnected: deque[Node[LinkT]] = deque()
        self._waiting: set[asyncio.Future[None]] = set()
        self._unlisten: Callable[[], None] | None = None
        self._working = False
        self._growing = False
        self._closed = False

    def open(self) -> None:
        """Follow the snapshots from now on, beginning with the present one."""
        if self._unlisten is None and not self._closed:
            self._unlisten = self._latest.listen(self._take)
            self._take(self._latest.value)

    def close(self) -> None:
        """Choose nobody any more and close every connection; work under way may finish. May be called again."""
        if self._unlisten is not None:
            self._unlisten()
        self._take(Absent(self.name))
        self._closed = True

    def choose(self, tried: Collection[Node[LinkT]] = (), key: str | None = None) -> Node[LinkT]:
        """The node for one attempt, not one of `tried` if there is another. Returns at once.

        `key`: what calls that belong together have in common, for pickers that hash. The hot path: whoever sends an
        attempt calls `node.begin` and `link.hold` in the same step of the event loop.
        Raises NoInstances where nobody can be called now, and RegistryUnavailable where nothing is known yet.
        """
        node = self._balancer.choose(tried, key)
        if node is None:
            raise self._nobody()
        return node

    async def wait(
        self, tried: Collection[Node[LinkT]] = (), key: str | None = None, *, wait_for_ready: bool = False
    ) -> Node[LinkT]:
        """As `choose`, but waits while the first answer of the registry or the first verdict of a connection is due.

        With `wait_for_ready` it waits for as long as it takes. Bound it with `asyncio.timeout`.
        """
        while True:
            try:
                return self.choose(tried, key)
            except MusterError:
                if self._closed or not (wait_for_ready or self.undecided):
                    raise
            await self.changed()

    def pick(self, key: str | None = None) -> Lease[LinkT]:
        """An instance for one piece of work, at once; raises as `choose` does. Release it, or use it in a `with`."""
        return Lease(self.choose(key=key))

    @asynccontextmanager
    async def lease(self, key: str | None = None, *, wait_for_ready: bool = False) -> AsyncIterator[Lease[LinkT]]:
        """An instance for the length of an `async with` block; waits and raises as `wait` does."""
        with Lease(await self.wait(key=key, wait_for_ready=wait_for_ready)) as lease:
            yield lease

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def busy(self) -> bool:
        """Whether a change is still being worked on: connections that are not begun yet, tables of the picker."""
        return self._working or self._growing

    @property
    def ready(self) -> bool:
        """Whether `choose` would find somebody now."""
        return self._balancer.ready

    @property
    def undecided(self) -> bool:
        """Whether an answer or a verdict is due, so that waiting may help soon."""
        snapshot = self._latest.value
        return (isinstance(snapshot, Pending) and not snapshot.why) or self._balancer.undecided

    def elsewhere(self, tried: Collection[Node[LinkT]]) -> bool:
        """Whether a node that is not one of `tried` may be called now."""
        return self._balancer.elsewhere(tried)

    def explain(self, key: str | None = None) -> Explanation:
        """Every instance, why it is called or not, and which would be chosen for `key`; takes a turn where there are
        turns."""
        return self._balancer.explain(key)

    def speaks_only(self, protocol: str) -> bool:
        """Whether somebody is registered, and everybody with `protocol` alone."""
        nodes = self._balancer.nodes
        return len(nodes) > 0 and all(node.instance.protocol == protocol for node in nodes)

    def why(self) -> str:
        """Why nobody can be called; for people. Empty if somebody can."""
        return "" if self.ready else str(self._nobody())

    def suspect(self, node: Node[LinkT], why: str) -> None:
        """Choose `node` no more until its connection reports anew: the caller saw that its link is broken."""
        self._report(node, Readiness.CONNECTING, why, None)

    async def changed(self) -> None:
        """Returns when something has changed after the call: a snapshot, a connection, or that the pool is closed."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    def _take(self, snapshot: Snapshot) -> None:
        if self._closed:
            return
        change = self._balancer.take(self._part(snapshot))
        for node in change.removed:
            self._disconnect(node)
        if self._connector is not None:
            self._unconnected.extend((*change.added, *change.changed))
        self._change()

    def _part(self, snapshot: Snapshot) -> Snapshot:
        """What of a snapshot to take now. The first of a large name is taken in parts, turn by turn of the loop: 10,000
        instances at once are some 15 ms, and as much again for the garbage collector."""
        here = len(self._balancer.nodes)
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
        if node.outside:
            self._disconnect(node)
            self._balancer.disconnected(node)
        elif node.fit and not node.doubtful and node not in self._connections:
            self._connections[node] = connector.connect(node.instance, partial(self._report, node))

    def _disconnect(self, node: Node[LinkT]) -> None:
        connection = self._connections.pop(node, None)
        if connection is not None:
            connection.close()

    def _report(self, node: Node[LinkT], readiness: Readiness, why: str, link: LinkT | None) -> None:
        if node.gone:
            return
        self._balancer.report(node, readiness, why, link)
        if node.gone:
            self._disconnect(node)
        self._change()

    def _change(self) -> None:
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        if not self._working and (self._unconnected or self._balancer.sliced):
            self._work()

    def _work(self) -> None:
        """Begin to connect, and let the picker build its tables, slice by slice; the first slice at once. Where there
        is no loop, there is none to hold up."""
        if not _is_on_loop():
            while self._work_on():
                pass
            return
        self._working = not self._closed and self._work_on()
        if self._working:
            asyncio.get_running_loop().call_soon(self._work)

    def _work_on(self) -> bool:
        """One slice. Returns whether something is left."""
        until = time.perf_counter() + SLICE
        while self._unconnected and self._connector is not None:
            self._connect(self._unconnected.popleft(), self._connector)
            if time.perf_counter() >= until:
                return True
        return self._balancer.work()

    def _nobody(self) -> MusterError:
        snapshot = self._latest.value
        if self._closed:
            return NoInstances(self.name, "the client is closed", known=True)
        if isinstance(snapshot, Pending):
            return RegistryUnavailable(f"nothing is known of {self.name!r} yet: {snapshot.why or 'no answer so far'}")
        if not len(self._balancer.nodes):
            return NoInstances(self.name, "the registry knows nobody of that name")
        return NoInstances(self.name, self._balancer.summary(), known=True)


def _is_on_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


PATIENCE = 5.0
"""Seconds that `settled` waits at most."""


async def settled(pool: Pool[LinkT]) -> None:
    """Returns when the registry and every connection have said something, or some seconds later."""
    try:
        async with asyncio.timeout(PATIENCE):
            while pool.undecided:
                await pool.changed()
    except TimeoutError:
        pass  # what is known by then is an answer too
