"""What is known of an instance is carried from snapshot to snapshot."""

from __future__ import annotations

from dataclasses import replace

from muster.balance.nodes import Nodes, Readiness
from muster.model.check import Health
from muster.model.instance import Instance
from muster.model.outcome import Outcome
from muster.model.snapshot import Absent, Known, Pending, Stale

A, B, C = (Instance(letter, "greeter", "10.0.0.1", port) for port, letter in enumerate("abc", 8000))


def ids(nodes: object) -> list[str]:
    return [node.instance.id for node in nodes]  # type: ignore[attr-defined]


def test_a_snapshot_adds_and_removes() -> None:
    nodes: Nodes[None] = Nodes()
    assert [ids(part) for part in nodes.update(Known("greeter", (A, B)), 1.0)] == [["a", "b"], [], []]
    change = nodes.update(Known("greeter", (B, C)), 2.0)
    assert [ids(part) for part in change] == [["c"], ["a"], []]
    assert change.removed[0].gone
    assert [(node.instance.id, node.since, node.gone) for node in nodes] == [("b", 1.0, False), ("c", 2.0, False)]


def test_a_node_keeps_what_it_knows_under_a_new_description() -> None:
    nodes: Nodes[str] = Nodes()
    (node,) = nodes.update(Known("greeter", (A,)), 1.0).added
    node.readiness, node.link = Readiness.READY, "link"
    node.begin()
    assert nodes.update(Stale("greeter", (replace(A, health=Health.WARNING),), since=0.0), 2.0) == ((), (), (node,))
    (same,) = nodes
    assert same is node
    assert (same.instance.health, same.link, same.inflight) == (Health.WARNING, "link", 1)


def test_another_address_is_another_node() -> None:
    nodes: Nodes[None] = Nodes()
    nodes.update(Known("greeter", (A,)), 1.0)
    change = nodes.update(Known("greeter", (replace(A, port=9999),)), 2.0)
    assert len(change.added) == len(change.removed) == 1


def test_two_agents_may_use_the_same_id_and_an_entry_told_twice_is_one() -> None:
    nodes: Nodes[None] = Nodes()
    nodes.update(Known("greeter", (A, replace(A, host="10.0.0.2"), A)), 1.0)
    assert len(nodes) == 2


def test_nobody_is_left_when_nobody_is_known() -> None:
    for snapshot in (Absent("greeter"), Pending("greeter")):
        nodes: Nodes[None] = Nodes()
        nodes.update(Known("greeter", (A,)), 1.0)
        assert len(nodes.update(snapshot, 2.0).removed) == 1
        assert not len(nodes)


def test_attempts_are_counted() -> None:
    (node,) = Nodes[None]().update(Known("greeter", (A,)), 1.0).added
    for code in ("UNAVAILABLE", "INTERNAL"):
        node.begin()
        node.end(Outcome(code))
    assert (node.inflight, node.failures) == (0, 2)
    node.begin()
    assert node.inflight == 1
    node.end(Outcome("OK"))
    assert (node.inflight, node.failures) == (0, 0)
