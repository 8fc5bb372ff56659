"""Which nodes may be called, and why the others may not. Pure; asked when something changes, never per pick."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TypeVar

from muster.balance.nodes import Node, Readiness
from muster.model.instance import Instance

L = TypeVar("L")

MOST_REASONS = 5
"""Reasons that `explain` spells out: its text travels in error messages."""


def is_fit(instance: Instance, protocol: str) -> bool:
    """Whether the registry and the protocol allow calls: an unknown protocol counts as any, warning is not death."""
    return instance.health.callable and instance.speaks(protocol)


def eligible(nodes: Iterable[Node[L]]) -> Iterator[Node[L]]:
    """The nodes that may be called now, in their order."""
    return (node for node in nodes if node.fit and node.readiness is Readiness.READY)


def undecided(nodes: Iterable[Node[L]]) -> bool:
    """Whether waiting may help soon: some node is fit, and its connection has no verdict yet."""
    return any(node.fit and node.readiness is Readiness.CONNECTING for node in nodes)


def why_not(node: Node[L], protocol: str) -> str:
    """What keeps a node from being called; empty if nothing does."""
    instance = node.instance
    if not instance.health.callable:
        return f"{instance.health}{_failing_checks(instance)}"
    if not instance.speaks(protocol):
        return f"speaking {instance.protocol}, not {protocol}"
    if node.readiness is Readiness.READY:
        return ""
    return f"{node.readiness.value} ({node.why})" if node.why else node.readiness.value


def explain(nodes: Iterable[Node[L]], protocol: str) -> str:
    """Counts who is there and says why each is out, for people: "2 registered: 1 critical (...), 1 connecting"."""
    reasons = Counter(why_not(node, protocol) or "ready" for node in nodes)
    told = [f"{count} {reason}" for reason, count in reasons.most_common(MOST_REASONS)]
    if len(reasons) > MOST_REASONS:
        told.append(f"{len(reasons) - MOST_REASONS} more reasons")
    return f"{reasons.total()} registered: {', '.join(told)}"


def _failing_checks(instance: Instance) -> str:
    checks = "; ".join(f"{check.name}: {check.output.strip()[:200]}".rstrip(": ") for check in instance.failing)
    return f" ({checks})" if checks else ""
