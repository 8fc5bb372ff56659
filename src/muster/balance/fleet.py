"""The instances of one name and their standing, known once for everybody who chooses among them."""

from __future__ import annotations

import time
from collections.abc import Callable
from math import inf
from typing import Generic, Protocol, TypeVar

from muster.balance.balancing import BALANCING, Balancing
from muster.balance.ejecting import Ejecting
from muster.balance.eligible import judge
from muster.balance.nodes import Change, Node, Nodes, Readiness
from muster.balance.selector import Selector
from muster.balance.slow_start import STEP, warmth
from muster.model.events import InstanceEjected, InstanceReturned, Observer, ignore
from muster.model.outcome import Outcome
from muster.model.snapshot import Snapshot

L = TypeVar("L")

MANY = 500
"""Instances, from which on newcomers are taken in together."""

TAKING_IN = 10e-6
"""Seconds for each instance between two times of it, some ten times what it costs: 0.1 s for 10,000."""


class Reader(Protocol[L]):
    """Who chooses among a fleet: it is told at once, and acts when it next chooses."""

    def taken(self, change: Change[L]) -> None:
        """A snapshot has changed these."""
        ...

    def outdated(self) -> None:
        """What may be called has changed."""
        ...

    def later(self, when: float, *, grown: bool) -> None:
        """Something becomes due at `when`, in seconds of the fleet's clock; `grown`: by then there are more to call."""
        ...


class Fleet(Generic[L]):
    """Takes snapshots, verdicts of connections and outcomes of calls. Not thread-safe; never blocks.

    `due`: when something follows from time alone (the end of an ejection, a newcomer's growing weight). There is no
    timer, and nothing to stop: readers have it noticed by `advance`.
    """

    def __init__(
        self,
        name: str,
        protocol: str = "",
        balancing: Balancing = BALANCING,
        *,
        connects: bool = True,
        ejects: Callable[[], bool] = lambda: True,
        observe: Observer = ignore,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`connects`: somebody reports on connections; without it every instance is ready. `ejects` tells whether calls
        may be held against an instance at this moment."""
        self.name = name
        self.balancing = balancing
        self.observe = observe
        self.clock = clock
        self.nodes: Nodes[L] = Nodes()
        self.ejecting: Ejecting[L] = Ejecting(balancing.outliers, ejects)
        self.speaking = Selector(protocol=protocol)
        self.due = -inf
        self._connects = connects
        self._readers: list[Reader[L]] = []

    def follow(self, reader: Reader[L]) -> None:
        self._readers.append(reader)

    def leave(self, reader: Reader[L]) -> None:
        self._readers.remove(reader)

    # What happens.

    def take(self, snapshot: Snapshot) -> Change[L]:
        """A snapshot has come. Returns what it changed; `changed` includes whoever is in the subset now or no more."""
        change = self.nodes.update(snapshot, self.clock())
        for node in change.added:
            node.notice = self._notice
            if not self._connects:
                node.readiness, node.chosen = Readiness.READY, True
        moved = self._take_subset() if any(change) else []
        for node in (*change.added, *change.changed, *moved):
            judge(node, self.speaking)
        if self.balancing.slow_start:
            for node in (*change.added, *change.changed):
                node.weight = self._weight(node)
        change = Change(change.added, change.removed, tuple(dict.fromkeys((*change.changed, *moved))))
        for reader in self._readers:
            reader.taken(change)
        return change

    def report(self, node: Node[L], readiness: Readiness, why: str, link: L | None) -> None:
        """The verdict of a node's connection. A new connection puts an ejected node on trial, and the loss of its
        connection ends a doubtful one: it is `gone` afterwards."""
        comes = readiness is Readiness.READY and node.readiness is not Readiness.READY
        if comes:
            node.failures = 0
            if node.chosen is None:
                node.returned = self.clock()
            self.ejecting.reconnected(node, self.clock())
        node.readiness, node.why, node.link = readiness, why, link
        node.weight = self._weight(node)
        self._changed(later=comes)
        self.tell(node)
        if node.doubtful and readiness is not Readiness.READY:
            self.nodes.drop(node)

    def _changed(self, *, later: bool) -> None:
        """Choose by what is known now; or soon: where there are many, one more need not be taken in at once.

        Taking in costs some time for each that is there, and at the start each of 10,000 has to be taken in.
        """
        if later and len(self.nodes) >= MANY:
            when = self.clock() + len(self.nodes) * TAKING_IN
            for reader in self._readers:
                reader.later(when, grown=True)
        else:
            self._outdate()

    def _outdate(self) -> None:
        for reader in self._readers:
            reader.outdated()

    def disconnected(self, node: Node[L]) -> None:
        """The node has no connection any more since it shall have none, which speaks neither for nor against it."""
        node.readiness, node.why, node.link, node.chosen = Readiness.CONNECTING, "", None, None
        self._outdate()

    def tell(self, node: Node[L]) -> None:
        """Tell the observer, if the verdict on a node has changed."""
        chosen = node.readiness is Readiness.READY and node.ejection is None
        if node.chosen is chosen:
            return
        now = self.clock()
        if chosen:
            self.observe(InstanceReturned(self.name, node.instance.id, now - node.since))
        else:
            why = node.ejection.why if node.ejection is not None else node.why
            self.observe(InstanceEjected(self.name, node.instance.id, why))
        node.chosen, node.since = chosen, now

    def _notice(self, node: Node[L], outcome: Outcome) -> None:
        """A call has ended that may end a node's standing, or its trial."""
        if self.ejecting.notice(node, outcome, self.nodes, self.clock()):
            self._outdate()
            self.tell(node)
        for reader in self._readers:
            reader.later(self.ejecting.due, grown=False)

    # What time brings.

    def advance(self, now: float) -> None:
        """Notice what has become due by `now`."""
        changed = self.ejecting.look(self.nodes, now)
        for node in changed:
            self.tell(node)
        warming = self._warm_up(now)
        if changed or warming:
            self._outdate()
        self.due = min(self.ejecting.due, now + STEP if warming else inf)

    def _weight(self, node: Node[L]) -> float:
        window = self.balancing.slow_start
        weight = node.instance.weight or 1
        return weight * warmth(self.clock() - node.returned, window) if window else weight

    def _warm_up(self, now: float) -> bool:
        """Give newcomers their present weight. Returns whether any has changed."""
        window = self.balancing.slow_start
        warming = [node for node in self.nodes if node.weight < node.instance.weight] if window else []
        for node in warming:
            node.weight = self._weight(node)
        return bool(warming)

    def _take_subset(self) -> list[Node[L]]:
        """Choose the subset anew, among those that the registry calls healthy. Returns who came or went."""
        subset = self.balancing.subset
        if subset is None:
            return []
        members = subset.of([node.key for node in self.nodes if node.instance.health.callable])
        moved = [node for node in self.nodes if node.outside is (node.key in members)]
        for node in moved:
            node.outside = not node.outside
        return moved
