"""Which nodes may be called, and why the others may not. Pure; asked when something changes, never per pick.

First come those that are believed: healthy for the registry, ready for their own connection, not ejected. Where they
are less than the panic threshold's share of all that were ever seen healthy, the fault is more likely with who judges
than with who is judged, and others help out, in two steps:

1. the doubtful: those that the registry has dropped too suddenly;
2. panic: those that the registry calls critical now but has called healthy before, and the ejected.

Nobody is ever admitted whose own connection says that it does not serve, or is not there.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from muster.balance.nodes import Node, Readiness
from muster.balance.selector import Selector
from muster.model.instance import Instance

L = TypeVar("L")

MOST_REASONS = 5
"""Reasons that `summary` spells out: its text travels in error messages."""

PANIC = 0.5
"""The usual threshold, as in Envoy."""


@dataclass(frozen=True, slots=True)
class Eligible(Generic[L]):
    """Who may be called, in order, of `registered` that were ever seen healthy. `helped`: how many are there only
    because too few others are; `panic`: some of them against what the registry or their calls say."""

    nodes: tuple[Node[L], ...] = ()
    registered: int = 0
    helped: int = 0
    panic: bool = False


def judge(node: Node[L], selector: Selector) -> None:
    """Note what the registry's description of a node says: after every change of it, and of its subset.

    A weight of 0 counts as 1: who is healthy gets calls.
    """
    instance = node.instance
    node.meant = not node.outside and not selector.why_not(instance)
    node.fit = node.meant and instance.health.callable
    node.passed = node.passed or instance.health.callable
    node.weight = instance.weight or 1


def eligible(nodes: Collection[Node[L]], panic: float = PANIC) -> Eligible[L]:
    """Who may be called now. `panic` is the threshold; 0 never lets anybody help out who would not be called alone."""
    ready = Readiness.READY
    able = [
        node for node in nodes if node.fit and node.readiness is ready and node.ejection is None and not node.doubtful
    ]
    registered = sum(node.meant and node.passed and node.chosen is not None for node in nodes)
    if able and len(able) >= panic * registered:
        return Eligible(tuple(able), registered)
    return _with_help(nodes, able, registered, panic)


def _with_help(nodes: Collection[Node[L]], able: list[Node[L]], registered: int, panic: float) -> Eligible[L]:
    there = [node for node in nodes if node.meant and node.passed and is_there(node)]
    doubtful = [node for node in there if node.doubtful and node.fit and node.ejection is None]
    if panic <= 0:
        return Eligible(tuple(able or doubtful), registered, 0 if able else len(doubtful))
    believed = len(able) + len(doubtful)
    if (believed and believed >= panic * registered) or believed == len(there):
        return Eligible((*able, *doubtful), registered, len(doubtful))
    chosen = {*able, *there}
    return Eligible(tuple(node for node in nodes if node in chosen), registered, len(chosen) - len(able), panic=True)


def is_there(node: Node[L]) -> bool:
    """Whether the client itself knows that the instance serves: its connection says so, or where there is none, the
    last call that was sent there."""
    return node.readiness is Readiness.READY and (node.link is not None or node.served)


def undecided(nodes: Iterable[Node[L]]) -> bool:
    """Whether waiting may help soon: some node is fit, and its connection has no verdict yet."""
    return any(node.fit and node.readiness is Readiness.CONNECTING for node in nodes)


def why_not(node: Node[L], selector: Selector) -> str:
    """What keeps a node from being called in good times; empty if nothing does."""
    instance = node.instance
    unwanted = selector.why_not(instance)
    if unwanted or node.outside:
        return unwanted or "outside of this client's subset"
    if not instance.health.callable:
        return f"{instance.health}{_failing_checks(instance)}"
    if node.readiness is not Readiness.READY:
        return f"{node.readiness.value} ({node.why})" if node.why else node.readiness.value
    if node.ejection is not None:
        return f"{'on trial' if node.ejection.trial else 'ejected'} ({node.ejection.why})"
    return "doubtful (the registry dropped it suddenly)" if node.doubtful else ""


def summary(nodes: Iterable[Node[L]], selector: Selector) -> str:
    """Counts who is there and says why each is out, for people: "2 registered: 1 critical (...), 1 connecting"."""
    reasons = Counter(why_not(node, selector) or "ready" for node in nodes)
    told = [f"{count} {reason}" for reason, count in reasons.most_common(MOST_REASONS)]
    if len(reasons) > MOST_REASONS:
        told.append(f"{len(reasons) - MOST_REASONS} more reasons")
    return f"{reasons.total()} registered: {', '.join(told)}"


def _failing_checks(instance: Instance) -> str:
    checks = "; ".join(f"{check.name}: {check.output.strip()[:200]}".rstrip(": ") for check in instance.failing)
    return f" ({checks})" if checks else ""
