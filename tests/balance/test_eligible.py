"""Who may be called, and why the others may not."""

from __future__ import annotations

import pytest

from muster.balance.eligible import eligible, judge, summary, undecided, why_not
from muster.balance.nodes import Node, Readiness
from muster.balance.selector import Selector
from muster.model.check import CheckState, Health
from muster.model.instance import Instance

GRPC = Selector(protocol="grpc")


def node(
    name: str = "a",
    health: Health = Health.PASSING,
    protocol: str = "grpc",
    readiness: Readiness = Readiness.READY,
    why: str = "",
    failing: tuple[CheckState, ...] = (),
) -> Node[None]:
    made: Node[None] = Node(
        Instance(name, "greeter", "10.0.0.1", 80, protocol=protocol, health=health, failing=failing), 0.0
    )
    made.readiness, made.why = readiness, why
    made.chosen = readiness is Readiness.READY
    judge(made, GRPC)
    return made


CRITICAL = (CheckState("reach", Health.CRITICAL, "connection refused\n"), CheckState("self", Health.CRITICAL))

CASES = [
    (node(), ""),
    (node(health=Health.WARNING), ""),
    (node(protocol=""), ""),
    (node(protocol="http"), "speaking http, not grpc"),
    (node(health=Health.CRITICAL), "critical"),
    (node(health=Health.CRITICAL, failing=CRITICAL), "critical (reach: connection refused; self)"),
    (node(readiness=Readiness.CONNECTING), "connecting"),
    (node(readiness=Readiness.DOWN), "down"),
    (node(readiness=Readiness.DOWN, why="a stranger answers"), "down (a stranger answers)"),
]


@pytest.mark.parametrize(("case", "why"), CASES)
def test_why_a_node_may_not_be_called(case: Node[None], why: str) -> None:
    assert why_not(case, GRPC) == why
    assert list(eligible([case]).nodes) == ([] if why else [case])


def test_waiting_helps_only_for_what_may_become_ready() -> None:
    assert undecided([node(readiness=Readiness.CONNECTING)])
    assert not undecided([node(), node(readiness=Readiness.DOWN)])
    assert not undecided([node(health=Health.CRITICAL, readiness=Readiness.CONNECTING)])


def test_a_summary_counts_and_groups() -> None:
    nodes = [node("a", Health.CRITICAL), node("b", Health.CRITICAL), node("c", readiness=Readiness.CONNECTING)]
    assert summary(nodes, GRPC) == "3 registered: 2 critical, 1 connecting"


def test_a_summary_stays_short() -> None:
    nodes = [node(str(number), readiness=Readiness.DOWN, why=f"reason {number}") for number in range(100)]
    assert summary(nodes, GRPC).endswith(", 95 more reasons")
