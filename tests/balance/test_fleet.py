"""Several who choose among the same instances know the same of them."""

from __future__ import annotations

from dataclasses import replace

from muster.balance.balancer import Balancer
from muster.balance.balancing import Balancing
from muster.balance.fleet import Fleet
from muster.balance.nodes import Node
from muster.balance.round_robin import RoundRobin
from muster.balance.selector import Selector
from muster.model.events import Event, InstanceEjected
from muster.model.instance import Instance
from muster.model.outcome import Outcome
from muster.model.snapshot import Absent, Known

OLD = tuple(Instance(letter, "greeter", "10.0.0.1", port, version="1.0.0") for port, letter in enumerate("abc", 8000))
NEW = tuple(Instance(letter, "greeter", "10.0.0.1", port, version="2.0.0") for port, letter in enumerate("de", 9000))


class World:
    def __init__(self, picker: object = RoundRobin) -> None:
        self.now = 1000.0
        self.events: list[Event] = []
        balancing = Balancing(picker=picker)  # type: ignore[arg-type]
        self.fleet: Fleet[None] = Fleet(
            "greeter", balancing=balancing, connects=False, observe=self.events.append, clock=lambda: self.now
        )
        self.everybody = Balancer(self.fleet)
        self.fleet.take(Known("greeter", (*OLD, *NEW)))
        self.new = Balancer(self.fleet, Selector(version="2.x"))

    def node(self, name: str) -> Node[None]:
        return next(node for node in self.fleet.nodes if node.instance.id == name)

    def fail(self, name: str, times: int = 5) -> None:
        for _ in range(times):
            self.node(name).begin()
            self.node(name).end(Outcome("UNAVAILABLE"))


def seen(balancer: Balancer[None]) -> str:
    found = {node.instance.id for _ in range(50) if (node := balancer.choose()) is not None}
    return "".join(sorted(found))


def test_each_has_those_whom_it_wants() -> None:
    world = World()
    assert (seen(world.everybody), seen(world.new)) == ("abcde", "de")
    world.fleet.take(Known("greeter", (replace(OLD[0], version="2.1.0"), *OLD[1:], replace(NEW[0], version="1.1.0"))))
    assert (seen(world.everybody), seen(world.new)) == ("abcd", "a")
    world.fleet.take(Absent("greeter"))
    assert (seen(world.everybody), seen(world.new)) == ("", "")


def test_what_one_finds_out_counts_for_all_and_is_told_once() -> None:
    world = World()
    seen(world.new)
    world.fail("d")
    assert (seen(world.everybody), seen(world.new)) == ("abce", "e")
    assert world.events == [InstanceEjected("greeter", "d", "5 faults in a row")]


def test_a_trial_goes_to_who_wants_the_instance() -> None:
    world = World()
    world.fail("a")
    world.now += 5
    assert seen(world.new) == "de"
    assert world.everybody.choose() is world.node("a")
    assert "a" not in seen(world.everybody), "one call is under way there"


def test_load_is_seen_by_all() -> None:
    world = World("least_request")
    for _ in range(3):
        world.node("d").begin()
    assert seen(world.new) == "e"


def test_who_was_dropped_without_a_snapshot_is_forgotten() -> None:
    world = World()
    node = world.node("d")
    world.fleet.nodes.drop(node)
    assert world.new.wants(node)
    world.fleet.take(Known("greeter", (*OLD, NEW[1])))
    assert not world.new.wants(node)
    assert seen(world.new) == "e"


def test_who_is_closed_hears_nothing_more() -> None:
    world = World()
    world.new.close()
    world.fleet.take(Absent("greeter"))
    assert seen(world.everybody) == ""
