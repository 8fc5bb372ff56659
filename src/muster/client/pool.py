"""Watch and pick for one name: the waist between the registry and the transports."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from functools import partial
from typing import Generic

from muster.balance.eligible import eligible, explain, is_fit, undecided, why_not
from muster.balance.nodes import Node, Nodes, Readiness
from muster.balance.policy import Picker
from muster.balance.round_robin import RoundRobin
from muster.client.connector import Connection, Connector, LinkT
from muster.client.lease import Lease
from muster.model.errors import MusterError, NoInstances, RegistryUnavailable
from muster.model.events import InstanceEjected, InstanceReturned, Observer, ignore
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Pending, Snapshot
from muster.watch.latest import Latest


class Pool(Generic[LinkT]):
    """The instances of one name that may be called by `protocol`, and whose turn it is.

    With a connector only connected instances are chosen; without one, every healthy instance is. Belongs to one event
    loop. Nothing happens before `open`; `close` ends it for good.
    """

    def __init__(
        self,
        latest: Latest[Snapshot],
        protocol: str = "",
        *,
        connector: Connector[LinkT] | None = None,
        picker: Picker[LinkT] | None = None,
        observe: Observer = ignore,
    ) -> None:
        self.name = latest.value.name
        self._latest = latest
        self._protocol = protocol
        self._connector = connector
        self._picker: Picker[LinkT] = picker or RoundRobin()
        self._observe = observe
        self._nodes: Nodes[LinkT] = Nodes()
        self._connections: dict[Node[LinkT], Connection] = {}
        self._outdated = True
        self._waiting: set[asyncio.Future[None]] = set()
        self._unlisten: Callable[[], None] | None = None
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

    def choose(self, tried: Collection[Node[LinkT]] = ()) -> Node[LinkT]:
        """The node for one attempt, not one of `tried` if there is another. Returns at once.

        The hot path: whoever sends an attempt calls `node.begin` and `link.hold` in the same step of the event loop.
        Raises NoInstances where nobody can be called now, and RegistryUnavailable where nothing is known yet.
        """
        if self._outdated:
            self._refresh()
        node = self._picker.pick(tried)
        if node is None:
            raise self._nobody()
        return node

    async def wait(self, tried: Collection[Node[LinkT]] = (), *, wait_for_ready: bool = False) -> Node[LinkT]:
        """As `choose`, but waits while the first answer of the registry or the first verdict of a connection is due.

        With `wait_for_ready` it waits for as long as it takes. Bound it with `asyncio.timeout`.
        """
        while True:
            try:
                return self.choose(tried)
            except MusterError:
                if self._closed or not (wait_for_ready or self.undecided):
                    raise
            await self.changed()

    def pick(self) -> Lease[LinkT]:
        """An instance for one piece of work, at once; raises as `choose` does. Release it, or use it in a `with`."""
        return Lease(self.choose())

    @asynccontextmanager
    async def lease(self, *, wait_for_ready: bool = False) -> AsyncIterator[Lease[LinkT]]:
        """An instance for the length of an `async with` block; waits and raises as `wait` does."""
        with Lease(await self.wait(wait_for_ready=wait_for_ready)) as lease:
            yield lease

    @property
    def closed(self) -> bool:
        return self._closed

    @property
    def ready(self) -> bool:
        """Whether `choose` would find somebody now."""
        return any(True for _ in eligible(self._nodes))

    @property
    def undecided(self) -> bool:
        """Whether an answer or a verdict is due, so that waiting may help soon."""
        snapshot = self._latest.value
        return (isinstance(snapshot, Pending) and not snapshot.why) or undecided(self._nodes)

    def elsewhere(self, tried: Collection[Node[LinkT]]) -> bool:
        """Whether a node that is not one of `tried` may be called now."""
        return any(node not in tried for node in eligible(self._nodes))

    def explain(self) -> list[tuple[Instance, str]]:
        """Every instance, with what keeps it from being chosen; an empty text if nothing does."""
        return [(node.instance, why_not(node, self._protocol)) for node in self._nodes]

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
        added, removed = self._nodes.update(snapshot, time.monotonic())
        for node in removed:
            connection = self._connections.pop(node, None)
            if connection is not None:
                connection.close()
        for node in added:
            if self._connector is None:
                node.readiness = Readiness.READY
        for node in self._nodes:
            self._fit(node)
        self._change()

    def _fit(self, node: Node[LinkT]) -> None:
        """Connections are opened once the registry calls a node healthy, and kept through bad times."""
        node.fit = is_fit(node.instance, self._protocol)
        if node.fit and self._connector is not None and node not in self._connections:
            self._connections[node] = self._connector.connect(node.instance, partial(self._report, node))

    def _report(self, node: Node[LinkT], readiness: Readiness, why: str, link: LinkT | None) -> None:
        if node.gone:
            return
        node.readiness, node.why, node.link = readiness, why, link
        self._change()
        self._tell(node)

    def _tell(self, node: Node[LinkT]) -> None:
        ready = node.readiness is Readiness.READY
        if node.chosen is ready:
            return
        now = time.monotonic()
        if ready:
            self._observe(InstanceReturned(self.name, node.instance.id, now - node.since))
        else:
            self._observe(InstanceEjected(self.name, node.instance.id, node.why))
        node.chosen, node.since = ready, now

    def _change(self) -> None:
        self._outdated = True
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def _refresh(self) -> None:
        self._picker.update(tuple(eligible(self._nodes)))
        self._outdated = False

    def _nobody(self) -> MusterError:
        snapshot = self._latest.value
        if self._closed:
            return NoInstances(self.name, "the client is closed", known=True)
        if isinstance(snapshot, Pending):
            return RegistryUnavailable(f"nothing is known of {self.name!r} yet: {snapshot.why or 'no answer so far'}")
        if not self._nodes:
            return NoInstances(self.name, "the registry knows nobody of that name")
        return NoInstances(self.name, explain(self._nodes, self._protocol), known=True)
