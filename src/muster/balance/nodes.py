"""Instances and what this client knows of them, carried over from snapshot to snapshot."""

from __future__ import annotations

from collections.abc import Iterator
from enum import Enum
from typing import Generic, NamedTuple, TypeVar

from muster.model.instance import Instance
from muster.model.outcome import Outcome
from muster.model.snapshot import Snapshot, instances_of

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


class Node(Generic[L]):
    """One instance, as one pool sees it. Compared by identity.

    `link` is what calls go through, and None unless `readiness` is READY (always None in a pool without connections).
    `why` says what keeps it from being ready. `fit`: the registry and the protocol allow it. `chosen`: the verdict of
    its connection that was last told, None before the first; `since`: when that was, or when the node was first seen,
    in seconds of the monotonic clock. `gone`: it is in the snapshot no longer.
    """

    __slots__ = ("chosen", "failures", "fit", "gone", "inflight", "instance", "link", "readiness", "since", "why")

    def __init__(self, instance: Instance, since: float) -> None:
        self.instance = instance
        self.since = since
        self.readiness = Readiness.CONNECTING
        self.why = ""
        self.link: L | None = None
        self.fit = False
        self.gone = False
        self.chosen: bool | None = None
        self.inflight = 0
        self.failures = 0

    def begin(self) -> None:
        """An attempt is sent; `end` must follow."""
        self.inflight += 1

    def end(self, outcome: Outcome) -> None:
        """An attempt has ended. `failures` counts the faults in a row."""
        self.inflight -= 1
        self.failures = self.failures + 1 if outcome.code in FAULTS else 0

    def __repr__(self) -> str:
        return f"<Node {self.instance.id} {self.readiness.value} inflight={self.inflight}>"


class Change(NamedTuple, Generic[L]):
    """What a snapshot changed."""

    added: tuple[Node[L], ...]
    removed: tuple[Node[L], ...]


Key = tuple[str, str, int, bool]


def _key(instance: Instance) -> Key:
    """What a connection depends on. The id alone would not do: Consul's ids are unique for an agent only."""
    return instance.id, instance.host, instance.port, instance.verifiable


class Nodes(Generic[L]):
    """The nodes of one name, in the order of the snapshot."""

    def __init__(self) -> None:
        self._nodes: dict[Key, Node[L]] = {}

    def __iter__(self) -> Iterator[Node[L]]:
        return iter(self._nodes.values())

    def __len__(self) -> int:
        return len(self._nodes)

    def update(self, snapshot: Snapshot, now: float) -> Change[L]:
        """Take over a snapshot: an instance that was there before keeps its node, under its new description."""
        before = self._nodes
        self._nodes = {}
        added: list[Node[L]] = []
        for instance in instances_of(snapshot):
            key = _key(instance)
            node = before.pop(key, None) or self._nodes.get(key)
            if node is None:
                node = Node(instance, now)
                added.append(node)
            node.instance = instance
            self._nodes[key] = node
        for node in before.values():
            node.gone = True
        return Change(tuple(added), tuple(before.values()))
