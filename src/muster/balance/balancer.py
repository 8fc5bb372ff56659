"""The instances of one name and whose turn it is: everything between snapshots and calls that needs no event loop."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from math import inf
from typing import Generic, TypeVar

from muster.balance.balancing import BALANCING, Balancing
from muster.balance.ejecting import Ejecting
from muster.balance.eligible import Eligible, eligible, judge, summary, undecided, why_not
from muster.balance.explanation import Candidate, Explanation
from muster.balance.named import maker
from muster.balance.nodes import Change, Node, Nodes, Readiness
from muster.balance.policy import Picker, Sliced
from muster.balance.selector import ANY, Selector
from muster.balance.slow_start import STEP, warmth
from muster.model.events import (
    InstanceEjected,
    InstanceReturned,
    Observer,
    PanicEntered,
    PanicLeft,
    ignore,
)
from muster.model.outcome import Outcome
from muster.model.snapshot import Snapshot

L = TypeVar("L")

MANY = 500
"""Instances, from which on newcomers are taken in together."""

TAKING_IN = 10e-6
"""Seconds for each instance between two times of it, some ten times what it costs: 0.1 s for 10,000."""


class Balancer(Generic[L]):
    """Takes snapshots, verdicts of connections and outcomes of calls; gives nodes. Not thread-safe; never blocks.

    What follows from time alone (the end of an ejection, a newcomer's growing weight) is noticed when the next node is
    chosen: there is no timer, and nothing to stop.
    """

    def __init__(
        self,
        name: str,
        selector: Selector = ANY,
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
        self.nodes: Nodes[L] = Nodes()
        self._selector = selector
        self._balancing = balancing
        self._connects = connects
        self._observe = observe
        self._clock = clock
        self._picker: Picker[L] = maker(balancing.picker)()
        self._sliced = self._picker if isinstance(self._picker, Sliced) else None
        self._ejecting: Ejecting[L] = Ejecting(balancing.outliers, ejects)
        self._eligible: Eligible[L] = Eligible()
        self._outdated = True
        self._grown = False
        self._due = -inf
        self._panic_since: float | None = None

    # What happens.

    def take(self, snapshot: Snapshot) -> Change[L]:
        """A snapshot has come. Returns what it changed; `changed` includes whoever is in the subset now or no more."""
        change = self.nodes.update(snapshot, self._clock())
        for node in change.added:
            node.notice = self._notice
            if not self._connects:
                node.readiness, node.chosen = Readiness.READY, True
        moved = self._take_subset() if any(change) else []
        for node in (*change.added, *change.changed, *moved):
            judge(node, self._selector)
        if self._balancing.slow_start:
            for node in (*change.added, *change.changed):
                node.weight = self._weight(node)
        self._outdated = True
        return Change(change.added, change.removed, tuple(dict.fromkeys((*change.changed, *moved))))

    def report(self, node: Node[L], readiness: Readiness, why: str, link: L | None) -> None:
        """The verdict of a node's connection. A new connection puts an ejected node on trial, and the loss of its
        connection ends a doubtful one: it is `gone` afterwards."""
        if readiness is Readiness.READY and node.readiness is not Readiness.READY:
            node.failures = 0
            if node.chosen is None:
                node.returned = self._clock()
            self._ejecting.reconnected(node, self._clock())
        comes = readiness is Readiness.READY and node.readiness is not Readiness.READY
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
        if later and self._eligible.nodes and len(self.nodes) >= MANY:
            self._grown = True
            self._due = min(self._due, self._clock() + len(self.nodes) * TAKING_IN)
        else:
            self._outdated = True

    def disconnected(self, node: Node[L]) -> None:
        """The node has no connection any more since it shall have none, which speaks neither for nor against it."""
        node.readiness, node.why, node.link, node.chosen = Readiness.CONNECTING, "", None, None
        self._outdated = True

    def tell(self, node: Node[L]) -> None:
        """Tell the observer, if the verdict on a node has changed."""
        chosen = node.readiness is Readiness.READY and node.ejection is None
        if node.chosen is chosen:
            return
        now = self._clock()
        if chosen:
            self._observe(InstanceReturned(self.name, node.instance.id, now - node.since))
        else:
            why = node.ejection.why if node.ejection is not None else node.why
            self._observe(InstanceEjected(self.name, node.instance.id, why))
        node.chosen, node.since = chosen, now

    def _notice(self, node: Node[L], outcome: Outcome) -> None:
        """A call has ended that may end a node's standing, or its trial."""
        if self._ejecting.notice(node, outcome, self.nodes, self._clock()):
            self._outdated = True
            self.tell(node)
        self._due = min(self._due, self._ejecting.due)

    # Choosing.

    def choose(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        """The node for one attempt, not one of `tried` if there is another; None if nobody can be called.

        Whoever is on trial has its one call now.
        """
        if self._outdated or self._clock() >= self._due:
            self._refresh()
        if self._ejecting.on_trial:
            node = self._ejecting.trial(tried, self._clock())
            self._due = min(self._due, self._ejecting.due)
            if node is not None:
                return node
        return self._picker.pick(tried, key)

    @property
    def sliced(self) -> bool:
        """Whether there may be something for `work`, after every change."""
        return self._sliced is not None

    def work(self) -> bool:
        """Do a slice of what the picker has left to do. Returns whether some is left."""
        self._now_eligible()
        return self._sliced is not None and self._sliced.work()

    @property
    def ready(self) -> bool:
        """Whether `choose` would find somebody now."""
        return bool(self._now_eligible().nodes)

    @property
    def undecided(self) -> bool:
        """Whether a verdict is due, so that waiting may help soon."""
        return undecided(self.nodes)

    def elsewhere(self, tried: Collection[Node[L]]) -> bool:
        """Whether a node that is not one of `tried` may be called now."""
        return any(node not in tried for node in self._now_eligible().nodes)

    def _now_eligible(self) -> Eligible[L]:
        if self._outdated or self._clock() >= self._due:
            self._refresh()
        return self._eligible

    def _refresh(self) -> None:
        now = self._clock()
        for node in self._ejecting.look(self.nodes, now):
            self._outdated = True
            self.tell(node)
        warming = self._warm_up(now)
        if self._outdated or self._grown or warming:
            self._outdated = self._grown = False
            self._eligible = eligible(tuple(self.nodes), self._balancing.panic)
            self._picker.update(self._eligible.nodes, tuple(node for node in self.nodes if node.meant))
            self._tell_panic(now)
        self._due = min(self._ejecting.due, now + STEP if warming else inf)

    def _tell_panic(self, now: float) -> None:
        found = self._eligible
        if found.panic and self._panic_since is None:
            self._panic_since = now
            believed = len(found.nodes) - found.helped
            self._observe(PanicEntered(self.name, believed, found.registered, found.helped))
        elif not found.panic and self._panic_since is not None:
            self._observe(PanicLeft(self.name, now - self._panic_since))
            self._panic_since = None

    # Weights and subset.

    def _weight(self, node: Node[L]) -> float:
        window = self._balancing.slow_start
        weight = node.instance.weight or 1
        return weight * warmth(self._clock() - node.returned, window) if window else weight

    def _warm_up(self, now: float) -> bool:
        """Give newcomers their present weight. Returns whether any has changed."""
        window = self._balancing.slow_start
        warming = [node for node in self.nodes if node.weight < node.instance.weight] if window else []
        for node in warming:
            node.weight = self._weight(node)
        return bool(warming)

    def _take_subset(self) -> list[Node[L]]:
        """Choose the subset anew, among those that the registry calls healthy. Returns who came or went."""
        subset = self._balancing.subset
        if subset is None:
            return []
        members = subset.of([node.key for node in self.nodes if node.instance.health.callable])
        moved = [node for node in self.nodes if node.outside is (node.key in members)]
        for node in moved:
            node.outside = not node.outside
        return moved

    # Explaining.

    def why_not(self, node: Node[L]) -> str:
        """What keeps a node from being called in good times; empty if nothing does."""
        return why_not(node, self._selector)

    def summary(self) -> str:
        """Who is there, and why each is out; for people."""
        return summary(self.nodes, self._selector)

    def explain(self, key: str | None = None) -> Explanation:
        """Every instance, and who would be chosen now for `key`; for policies with turns that takes one."""
        found = self._now_eligible()
        while self.work():
            pass
        chosen = self._picker.pick((), key)
        candidates = tuple(self._candidate(node, found) for node in self.nodes)
        chosen_id = None if chosen is None else chosen.instance.id
        return Explanation(self.name, picker_name(self._balancing), found.panic, candidates, chosen_id)

    def _candidate(self, node: Node[L], found: Eligible[L]) -> Candidate:
        return Candidate(
            instance=node.instance,
            eligible=node in found.nodes,
            why_not=self.why_not(node),
            connection=node.readiness.value,
            weight=node.weight,
            inflight=node.inflight,
            failures=node.failures,
            ejected_for=None if node.ejection is None else max(0.0, node.ejection.until - self._clock()),
            doubtful=node.doubtful,
        )


def picker_name(balancing: Balancing) -> str:
    """For people."""
    picker = balancing.picker
    return picker if isinstance(picker, str) else getattr(picker, "__name__", type(picker).__name__)
