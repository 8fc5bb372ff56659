"""Watch and pick for one name: the waist between the registry and the transports."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import asynccontextmanager
from typing import Generic

from muster.balance.balancer import Balancer
from muster.balance.balancing import BALANCING, Balancing
from muster.balance.explanation import Explanation
from muster.balance.nodes import Node, Readiness
from muster.balance.selector import ANY, Selector
from muster.client.connector import Connector, LinkT
from muster.client.lease import Lease
from muster.client.members import Members, always
from muster.model.errors import MusterError, NoInstances, RegistryUnavailable
from muster.model.events import Observer, ignore
from muster.model.snapshot import Pending, Snapshot
from muster.watch.latest import Latest


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
        self._begin(Members(latest, protocol, connector, balancing, ejects, observe), selector)

    @classmethod
    def of(cls, members: Members[LinkT], selector: Selector) -> Pool[LinkT]:
        """A pool of what `members` have, which other pools may share: its connections, and what is known of each."""
        pool = cls.__new__(cls)
        pool._begin(members, selector)
        return pool

    def _begin(self, members: Members[LinkT], selector: Selector) -> None:
        self.name = members.name
        self.key = members.fleet.balancing.key
        self._members = members
        self._balancer: Balancer[LinkT] = Balancer(members.fleet, selector)
        self._waiting: set[asyncio.Future[None]] = set()
        self._open = False
        self._closed = False

    def open(self) -> None:
        """Follow the snapshots from now on, beginning with the present one."""
        if not self._open and not self._closed:
            self._open = True
            self._members.enter(self)

    def close(self) -> None:
        """Choose nobody any more and close every connection that no other pool shares; work under way may finish. May
        be called again."""
        if not self._closed:
            self._closed = True
            self._members.leave(self)
            self._balancer.close()
            self.notify()

    def choose(self, tried: Collection[Node[LinkT]] = (), key: str | None = None) -> Node[LinkT]:
        """The node for one attempt, not one of `tried` if there is another. Returns at once.

        `key`: what calls that belong together have in common, for pickers that hash. The hot path: whoever sends an
        attempt calls `node.begin` and `link.hold` in the same step of the event loop.
        Raises NoInstances where nobody can be called now, and RegistryUnavailable where nothing is known yet.
        """
        node = None if self._closed else self._balancer.choose(tried, key)
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
        return self._members.busy

    @property
    def ready(self) -> bool:
        """Whether `choose` would find somebody now."""
        return not self._closed and self._balancer.ready

    @property
    def undecided(self) -> bool:
        """Whether an answer or a verdict is due, so that waiting may help soon."""
        snapshot = self._members.snapshot
        return not self._closed and ((isinstance(snapshot, Pending) and not snapshot.why) or self._balancer.undecided)

    def elsewhere(self, tried: Collection[Node[LinkT]]) -> bool:
        """Whether a node that is not one of `tried` may be called now."""
        return self._balancer.elsewhere(tried)

    def explain(self, key: str | None = None) -> Explanation:
        """Every instance, why it is called or not, and who would be chosen now for `key`; for policies with turns it
        takes one."""
        return self._balancer.explain(key)

    def speaks_only(self, protocol: str) -> bool:
        """Whether somebody is registered, and everybody with `protocol` alone."""
        nodes = self._members.fleet.nodes
        return len(nodes) > 0 and all(node.instance.protocol == protocol for node in nodes)

    def why(self) -> str:
        """Why nobody can be called; for people. Empty if somebody can."""
        return "" if self.ready else str(self._nobody())

    def suspect(self, node: Node[LinkT], why: str) -> None:
        """Choose `node` no more until its connection reports anew: the caller saw that its link is broken."""
        self._members.report(node, Readiness.CONNECTING, why, None)

    async def changed(self) -> None:
        """Returns when something has changed after the call: a snapshot, a connection, or that the pool is closed."""
        future = asyncio.get_running_loop().create_future()
        self._waiting.add(future)
        try:
            await future
        finally:
            self._waiting.discard(future)

    # For its members.

    def notify(self) -> None:
        """Something has changed."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)

    def wants(self, node: Node[LinkT]) -> bool:
        """Whether the node is worth a connection to it."""
        return self._balancer.wants(node)

    @property
    def sliced(self) -> bool:
        """Whether there may be something for `work`, after every change."""
        return self._balancer.sliced

    def work(self) -> bool:
        """Let the picker do a slice of its work. Returns whether something is left."""
        return self._balancer.work()

    def _nobody(self) -> MusterError:
        snapshot = self._members.snapshot
        if self._closed:
            return NoInstances(self.name, "the client is closed", known=True)
        if isinstance(snapshot, Pending):
            return RegistryUnavailable(f"nothing is known of {self.name!r} yet: {snapshot.why or 'no answer so far'}")
        if not len(self._members.fleet.nodes):
            return NoInstances(self.name, "the registry knows nobody of that name")
        return NoInstances(self.name, self._balancer.summary(), known=True)


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
