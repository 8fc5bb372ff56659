"""Ejection as it happens to nodes: `outlier` says who, this remembers until when."""

from __future__ import annotations

from collections.abc import Callable, Collection
from math import inf
from typing import Generic, TypeVar

from muster.balance.nodes import FAULTS, Node, Nodes, Readiness
from muster.balance.outlier import (
    Ejection,
    Outliers,
    Record,
    another_allowed,
    duration,
    in_a_row,
    in_a_series,
    is_common,
    outliers,
)
from muster.model.outcome import Outcome

L = TypeVar("L")


class Ejecting(Generic[L]):
    """The ejections of one pool. `due`: when `look` will change something next, in seconds of the caller's clock.

    `on_trial`: whose time is up; the next call goes to the first of them.
    """

    def __init__(self, policy: Outliers, ejects: Callable[[], bool]) -> None:
        self.due = -inf if policy.errors or policy.latency else inf
        self.on_trial: list[Node[L]] = []
        self._policy = policy
        self._ejects = ejects
        self._ejected: list[Node[L]] = []
        self._next_judgement = -inf

    def notice(self, node: Node[L], outcome: Outcome, nodes: Nodes[L], now: float) -> bool:
        """A call at `node` has ended with a fault, or the node is ejected. Returns whether its standing changed."""
        ejection = node.ejection
        if ejection is None:
            why = in_a_row(node.failures, self._policy)
            return bool(why) and self._eject(node, nodes, why, now)
        if not ejection.trial:
            return False
        if outcome.code == "CANCELLED":  # the caller has lost interest, which decides nothing
            self._again(node, now)
        elif outcome.hurried:  # nor does this, but the next may be hurried as well: not at once
            self._again(node, now + self._policy.shortest)
        elif outcome.code in FAULTS:
            self._lengthen(node, now)
        else:
            self._return(node, now)
            return True
        return False

    def reconnected(self, node: Node[L], now: float) -> None:
        """The node has a new connection: whatever was wrong may be over."""
        if node.ejection is not None:
            self._again(node, now)

    def trial(self, tried: Collection[Node[L]], among: Collection[Node[L]] | None, now: float) -> Node[L] | None:
        """The node that the next call shall try, if there is one that can be called, is not in `tried`, and is one of
        `among`, where that is given."""
        for node in self.on_trial:
            ejection = node.ejection
            if ejection is None or node in tried or not (among is None or node in among):
                continue
            if node.fit and node.readiness is Readiness.READY:
                self.on_trial.remove(node)
                ejection.trial, ejection.until = True, now + self._policy.patience
                self.due = min(self.due, ejection.until)
                return node
        return None

    def look(self, nodes: Nodes[L], now: float) -> list[Node[L]]:
        """What has become due. Returns the nodes whose standing changed."""
        changed: list[Node[L]] = []
        if now >= self._next_judgement:
            changed += self._judge(nodes, now)
            self._next_judgement = now + self._policy.interval
        changed += self._end(now)
        self.due = min((ejection.until for _, ejection in self._waiting()), default=inf)
        if self._policy.errors or self._policy.latency:
            self.due = min(self.due, self._next_judgement)
        return changed

    def _waiting(self) -> list[tuple[Node[L], Ejection]]:
        """The ejected for whom time has to pass, with their ejections."""
        waiting = (node for node in self._ejected if node not in self.on_trial)
        return [(node, node.ejection) for node in waiting if node.ejection is not None]

    def _judge(self, nodes: Nodes[L], now: float) -> list[Node[L]]:
        """Compare the nodes, and let what is known of their calls fade by half."""
        busy = [node for node in nodes if node.calls]
        there = [node for node in busy if node.ejection is None]
        records = [Record(node.calls, node.faults, node.seconds) for node in there]
        worse = [(there[index], why) for index, why in outliers(records, self._policy)]
        found = [node for node, why in worse if self._eject(node, nodes, why, now)]
        if self._fails_everywhere(nodes):
            found += self._return_all(now)
        for node in busy:
            node.calls, node.faults, node.seconds = node.calls / 2, node.faults / 2, node.seconds / 2
        return found

    def _end(self, now: float) -> list[Node[L]]:
        """Ejections whose time is up go on trial; trials that nobody waits for have been passed."""
        self._ejected = [node for node in self._ejected if node.ejection is not None and not node.gone]
        self.on_trial = [node for node in self.on_trial if node.ejection is not None and not node.gone]
        returned: list[Node[L]] = []
        allowed = self._ejects()
        for node, ejection in self._waiting():
            if (ejection.trial and ejection.until <= now) or not allowed:
                self._return(node, now)
                returned.append(node)
            elif ejection.until <= now:
                self.on_trial.append(node)
        return returned

    def _eject(self, node: Node[L], nodes: Nodes[L], why: str, now: float) -> bool:
        """Returns whether that is allowed."""
        candidates = sum(other.fit for other in nodes)
        ejected = sum(other.ejection is not None for other in self._ejected if other.fit and not other.gone)
        if not another_allowed(ejected, candidates, self._policy) or not self._ejects():
            return False
        if self._fails_everywhere(nodes, but=node):
            return False
        node.ejections = node.ejections + 1 if in_a_series(node.returned, now, self._policy) else 1
        node.ejection = Ejection(why, now, now + duration(node.ejections, self._policy))
        self._ejected.append(node)
        self.due = min(self.due, node.ejection.until)
        return True

    def _fails_everywhere(self, nodes: Nodes[L], but: Node[L] | None = None) -> bool:
        left = [node for node in nodes if node.ejection is None and node is not but]
        return is_common(sum(node.calls for node in left), sum(node.faults for node in left), self._policy)

    def _return_all(self, now: float) -> list[Node[L]]:
        ejected = [node for node in self._ejected if node.ejection is not None]
        for node in ejected:
            self._return(node, now)
        return ejected

    def _lengthen(self, node: Node[L], now: float) -> None:
        """It has failed its trial."""
        assert node.ejection is not None
        node.ejections += 1
        node.ejection.trial = False
        node.ejection.until = now + duration(node.ejections, self._policy)
        self.due = min(self.due, node.ejection.until)

    def _again(self, node: Node[L], when: float) -> None:
        """Try it with another call, as soon as there is one from then on."""
        assert node.ejection is not None
        node.ejection.trial = False
        node.ejection.until = when
        self.due = min(self.due, when)

    def _return(self, node: Node[L], now: float) -> None:
        node.ejection = None
        node.failures = 0
        node.calls = node.faults = node.seconds = 0.0
        node.returned = now
