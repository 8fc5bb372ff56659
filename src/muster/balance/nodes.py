"""Instances and what this client knows of them, carried over from snapshot to snapshot."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import Generic, NamedTuple, Protocol, TypeVar

from muster.balance.outlier import Ejection
from muster.model.instance import Instance
from muster.model.outcome import Outcome
from muster.model.snapshot import Snapshot, doubtful_of, instances_of

L = TypeVar("L")


FAULTS = frozenset(
    ("DATA_LOSS", "DEADLINE_EXCEEDED", "INTERNAL", "RESOURCE_EXHAUSTED", "UNAVAILABLE", "UNIMPLEMENTED", "UNKNOWN")
)
"""Codes that speak against an instance; the others are answers of an application, or the caller's own doing."""


class Readiness(Enum):
    """What this client's own connection says of an instance.

    CONNECTING is "no verdict yet": a call may wait for it. DOWN stays DOWN while connecting is tried again, so that
    calls fail fast instead of waiting for each attempt.
    """

    CONNECTING = "connecting"
    READY = "ready"
    DOWN = "down"


class Measure(Protocol):
    """Hears of every attempt at a node: how a picker measures load. Returns at once and does not raise."""

    def began(self) -> None: ...

    def ended(self, outcome: Outcome) -> None: ...


class Node(Generic[L]):
    """One instance, as one pool sees it. Compared by identity.

    What is known of it:
    `outside`: it is not in the client's subset. `meant`: protocol, filters and subset say that calls may go there.
    `fit`: it is meant, and the registry calls it healthy. `passed`: the registry has called it healthy at some time.
    `doubtful`: the registry dropped it too suddenly to be believed at once. `readiness`, and in `why` what keeps it
    from being ready: the verdict of its connection. `link`: what calls go through; None unless READY, and always None
    in a pool without connections. `chosen`: the verdict that was last told, None before the first; `since`: when that
    was, or when the node was first seen, in seconds of the pool's clock. `gone`: it is in the snapshot no longer.

    What came of its calls: `inflight` attempts under way, `failures` faults in a row; `calls`, `faults` and `seconds`
    are sums that fade (`outlier`); `served`: the last attempt that tells anything succeeded. `ejection`: set while it
    is left out on their evidence, or on trial after that; `ejections`: how many in a row; `returned`: when it was
    last taken in. `weight`: its share of calls relative to the others, less than the registry's while it is new.

    `measure` hears of every attempt, `notice` of those that may end an instance's good standing.
    """

    __slots__ = (
        "calls",
        "chosen",
        "doubtful",
        "ejection",
        "ejections",
        "failures",
        "faults",
        "fit",
        "gone",
        "inflight",
        "instance",
        "key",
        "link",
        "meant",
        "measure",
        "notice",
        "outside",
        "passed",
        "readiness",
        "returned",
        "seconds",
        "served",
        "since",
        "weight",
        "why",
    )

    def __init__(self, instance: Instance, since: float) -> None:
        self.instance = instance
        self.key = _key(instance)
        self.since = since
        self.readiness = Readiness.CONNECTING
        self.why = ""
        self.link: L | None = None
        self.outside = False
        self.meant = False
        self.fit = False
        self.passed = False
        self.doubtful = False
        self.gone = False
        self.chosen: bool | None = None
        self.weight: float = instance.weight
        self.inflight = 0
        self.failures = 0
        self.calls = 0.0
        self.faults = 0.0
        self.seconds = 0.0
        self.served = False
        self.ejection: Ejection | None = None
        self.ejections = 0
        self.returned = since
        self.measure: Measure | None = None
        self.notice: Callable[[Node[L], Outcome], None] | None = None

    def begin(self) -> None:
        """An attempt is sent; `end` must follow."""
        self.inflight += 1
        if self.measure is not None:
            self.measure.began()

    def succeed(self, seconds: float) -> None:
        """As `end` of an attempt that went well. The hot path: an outcome is made only for who listens."""
        if self.measure is not None or self.ejection is not None:
            self.end(Outcome("OK", seconds=seconds))
            return
        self.inflight -= 1
        self.calls += 1
        self.seconds += seconds
        self.served = True
        self.failures = 0

    def end(self, outcome: Outcome) -> None:
        """An attempt has ended. One that was cancelled tells nothing of the instance: the caller has lost interest; nor
        does one that was hurried."""
        self.inflight -= 1
        if self.measure is not None:
            self.measure.ended(outcome)
        if outcome.code == "CANCELLED" or outcome.hurried:
            if self.ejection is None:
                return
        else:
            self.calls += 1
            self.seconds += outcome.seconds
            if outcome.code in FAULTS:
                self.served = False
                self.faults += 1
                self.failures += 1
            else:
                self.served = True
                self.failures = 0
                if self.ejection is None:
                    return
        if self.notice is not None:
            self.notice(self, outcome)

    @property
    def usual(self) -> float | None:
        """Seconds that its calls take on average; None while nothing is known of them."""
        return self.seconds / self.calls if self.calls else None

    def __repr__(self) -> str:
        return f"<Node {self.instance.id} {self.readiness.value} inflight={self.inflight}>"


class Change(NamedTuple, Generic[L]):
    """What a snapshot changed. `changed`: nodes that were there before, under a new description."""

    added: tuple[Node[L], ...]
    removed: tuple[Node[L], ...]
    changed: tuple[Node[L], ...]


Key = tuple[str, str, int, bool]


def _key(instance: Instance) -> Key:
    """What a connection depends on. The id alone would not do: Consul's ids are unique for an agent only."""
    return instance.id, instance.host, instance.port, instance.verifiable


class Nodes(Generic[L]):
    """The nodes of one name, in the order of the snapshot; the doubtful come last."""

    def __init__(self) -> None:
        self._nodes: dict[Key, Node[L]] = {}

    def __iter__(self) -> Iterator[Node[L]]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def update(self, snapshot: Snapshot, now: float) -> Change[L]:
        """Take over a snapshot: an instance that was there before keeps its node, under its new description.

        A doubtful instance that was not there before, or whose connection is not ready, stays away: only what is
        connected may outlive the registry's word.
        """
        instances, doubtful = instances_of(snapshot), doubtful_of(snapshot)
        changed = None if doubtful else self._in_place(instances)
        if changed is not None:
            return Change((), (), tuple(changed))
        return self._anew(instances, doubtful, now)

    def drop(self, node: Node[L]) -> None:
        """Forget a node before the snapshot does."""
        if self._nodes.get(node.key) is node:
            del self._nodes[node.key]
            node.gone = True

    def _in_place(self, instances: Iterable[Instance]) -> list[Node[L]] | None:
        """The nodes with a new description where the same instances come in the same order, which is the usual case:
        of 10,000 instances one has changed. None where it is not so."""
        changed: list[Node[L]] = []
        try:
            for node, instance in zip(self._nodes.values(), instances, strict=True):
                if node.instance is not instance or node.doubtful:
                    if node.key != _key(instance):
                        return None
                    changed.append(node)
        except ValueError:
            return None
        fresh = iter(instances)
        if changed:
            for node in self._nodes.values():
                node.instance = next(fresh)
        for node in changed:
            node.doubtful = False
        return changed

    def _anew(self, instances: Iterable[Instance], doubtful: Iterable[Instance], now: float) -> Change[L]:
        before = self._nodes
        after: dict[Key, Node[L]] = {}
        added: list[Node[L]] = []
        changed: list[Node[L]] = []
        for instance in instances:
            key = _key(instance)
            node = before.pop(key, None)
            if node is None:
                if key in after:
                    continue
                node = Node(instance, now)
                added.append(node)
            elif node.instance is not instance or node.doubtful:
                changed.append(node)
            node.instance, node.doubtful = instance, False
            after[key] = node
        for instance in doubtful:
            key = _key(instance)
            if key in before and before[key].readiness is Readiness.READY:
                node = before.pop(key)
                if not node.doubtful:
                    changed.append(node)
                node.instance, node.doubtful = instance, True
                after[key] = node
        for node in before.values():
            node.gone = True
        self._nodes = after
        return Change(tuple(added), tuple(before.values()), tuple(changed))
