"""Whose turn it is: everything between a fleet and a call that needs no event loop."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from math import inf
from typing import Generic, TypeVar

from muster.balance.balancing import Balancing
from muster.balance.eligible import Eligible, eligible, summary, undecided, why_not
from muster.balance.explanation import Candidate, Explanation
from muster.balance.fleet import Fleet
from muster.balance.named import maker
from muster.balance.nodes import Change, Node
from muster.balance.policy import Picker, Sliced
from muster.balance.selector import ANY, Selector
from muster.model.events import PanicEntered, PanicLeft

L = TypeVar("L")


class Balancer(Generic[L]):
    """Gives those nodes of a fleet that `selector` wants, in turn. Not thread-safe; never blocks.

    Several may share a fleet: what one of them has under way, and has found out about an instance, counts for all.
    """

    def __init__(self, fleet: Fleet[L], selector: Selector = ANY) -> None:
        self._fleet = fleet
        self._selector = replace(selector, protocol=selector.protocol or fleet.speaking.protocol)
        self._picker: Picker[L] = maker(fleet.balancing.picker)()
        self._sliced = self._picker if isinstance(self._picker, Sliced) else None
        self._ejecting = fleet.ejecting
        self._clock = fleet.clock
        # None: everybody of the right protocol, which nodes know by themselves.
        self._wanted: set[Node[L]] | None = None if self._selector == fleet.speaking else set()
        self._eligible: Eligible[L] = Eligible()
        self._outdated = True
        self._grown = False
        self._due = -inf
        self._panic_since: float | None = None
        fleet.follow(self)
        self.taken(Change(tuple(fleet.nodes), (), ()))

    def close(self) -> None:
        """Follow the fleet no more."""
        self._fleet.leave(self)

    def wants(self, node: Node[L]) -> bool:
        """Whether it may have to do with the node at all."""
        return self._wanted is None or node in self._wanted

    # What happens: Reader.

    def taken(self, change: Change[L]) -> None:
        self._outdated = True
        if self._wanted is None:
            return
        # Who was doubtful may have gone without a snapshot.
        self._wanted = {node for node in self._wanted if not node.gone}.difference(change.changed)
        here = (*change.added, *change.changed)
        self._wanted.update(node for node in here if not self._selector.why_not(node.instance))

    def outdated(self) -> None:
        self._outdated = True

    def later(self, when: float, *, grown: bool) -> None:
        if grown and not self._eligible.nodes:
            self._outdated = True
        self._grown = self._grown or grown
        self._due = min(self._due, when)

    # Choosing.

    def choose(self, tried: Collection[Node[L]] = (), key: str | None = None) -> Node[L] | None:
        """The node for one attempt, not one of `tried` if there is another; None if nobody can be called.

        Whoever is on trial has its one call now.
        """
        if self._outdated or self._clock() >= self._due:
            self._refresh()
        if self._ejecting.on_trial:
            node = self._ejecting.trial(tried, self._wanted, self._clock())
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
        return undecided(self._nodes())

    def elsewhere(self, tried: Collection[Node[L]]) -> bool:
        """Whether a node that is not one of `tried` may be called now."""
        return any(node not in tried for node in self._now_eligible().nodes)

    def _nodes(self) -> Collection[Node[L]]:
        """Those that it may have to do with, in the order of the snapshot."""
        nodes = self._fleet.nodes
        wanted = self._wanted
        return tuple(nodes) if wanted is None else tuple(node for node in nodes if node in wanted)

    def _now_eligible(self) -> Eligible[L]:
        if self._outdated or self._clock() >= self._due:
            self._refresh()
        return self._eligible

    def _refresh(self) -> None:
        now = self._clock()
        self._fleet.advance(now)
        if self._outdated or self._grown:
            self._outdated = self._grown = False
            nodes = self._nodes()
            self._eligible = eligible(nodes, self._fleet.balancing.panic)
            self._picker.update(self._eligible.nodes, tuple(node for node in nodes if node.meant))
            self._tell_panic(now)
        self._due = self._fleet.due

    def _tell_panic(self, now: float) -> None:
        found, fleet = self._eligible, self._fleet
        if found.panic and self._panic_since is None:
            self._panic_since = now
            believed = len(found.nodes) - found.helped
            fleet.observe(PanicEntered(fleet.name, believed, found.registered, found.helped))
        elif not found.panic and self._panic_since is not None:
            fleet.observe(PanicLeft(fleet.name, now - self._panic_since))
            self._panic_since = None

    # Explaining.

    def why_not(self, node: Node[L]) -> str:
        """What keeps a node from being called in good times; empty if nothing does."""
        return why_not(node, self._selector)

    def summary(self) -> str:
        """Who is there, and why each is out; for people."""
        return summary(self._fleet.nodes, self._selector)

    def explain(self, key: str | None = None) -> Explanation:
        """Every instance, and who would be chosen now for `key`; for policies with turns that takes one."""
        found = self._now_eligible()
        while self.work():
            pass
        chosen = self._picker.pick((), key)
        fleet = self._fleet
        candidates = tuple(self._candidate(node, found) for node in fleet.nodes)
        chosen_id = None if chosen is None else chosen.instance.id
        return Explanation(fleet.name, picker_name(fleet.balancing), found.panic, candidates, chosen_id)

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
