"""Ejection, trial, panic, doubt, slow start and explaining, in virtual time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise

import pytest

from muster.balance.balancer import Balancer
from muster.balance.balancing import Balancing
from muster.balance.fleet import Fleet
from muster.balance.nodes import Node, Readiness
from muster.balance.outlier import NO_EJECTION, Outliers
from muster.balance.round_robin import RoundRobin
from muster.model.check import Health
from muster.model.errors import BadConfiguration
from muster.model.events import Event, InstanceEjected, InstanceReturned, PanicEntered, PanicLeft
from muster.model.instance import Instance
from muster.model.outcome import Outcome
from muster.model.snapshot import Absent, Known

FIVE = tuple(Instance(letter, "greeter", "10.0.0.1", port) for port, letter in enumerate("abcde", 8000))


def critical(*instances: Instance) -> tuple[Instance, ...]:
    return tuple(replace(instance, health=Health.CRITICAL) for instance in instances)


class World:
    """A balancer whose connections and time a test drives."""

    def __init__(
        self, instances: tuple[Instance, ...] = FIVE, balancing: Balancing | None = None, ejects: bool = True
    ) -> None:
        self.now = 1000.0
        self.ejects = ejects
        self.events: list[Event] = []
        self.fleet: Fleet[str] = Fleet(
            "greeter",
            "grpc",
            balancing or Balancing(picker=RoundRobin),
            ejects=lambda: self.ejects,
            observe=self.events.append,
            clock=lambda: self.now,
        )
        self.balancer = Balancer(self.fleet)
        self.fleet.take(Known("greeter", instances))
        for node in tuple(self.fleet.nodes):
            if node.fit:
                self.ready(node)
        self.events.clear()

    def node(self, name: str) -> Node[str]:
        return next(node for node in self.fleet.nodes if node.instance.id == name)

    def ready(self, node: Node[str]) -> None:
        self.fleet.report(node, Readiness.READY, "", "link")

    def down(self, name: str) -> None:
        self.fleet.report(self.node(name), Readiness.DOWN, "refused", None)

    def end(self, name: str, code: str = "OK", times: int = 1) -> None:
        node = self.node(name)
        for _ in range(times):
            node.begin()
            node.end(Outcome(code, seconds=0.01))

    def call(self, faulty: Callable[[str], bool] = lambda name: False) -> str:
        """One call to whoever is chosen; the name of it."""
        node = self.balancer.choose()
        assert node is not None
        self.end(node.instance.id, "UNAVAILABLE" if faulty(node.instance.id) else "OK")
        return node.instance.id

    def seen(self, picks: int = 50) -> set[str]:
        return {node.instance.id for _ in range(picks) if (node := self.balancer.choose()) is not None}


# Ejection.


def test_faults_in_a_row_eject_at_once() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 4)
    assert "a" in world.seen()
    world.end("a", "UNAVAILABLE")
    assert world.seen() == {"b", "c", "d", "e"}
    assert world.events == [InstanceEjected("greeter", "a", "5 faults in a row")]


def test_a_good_answer_ends_a_row_and_a_cancelled_call_does_not() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 4)
    world.end("a")
    world.end("a", "UNAVAILABLE", 4)
    assert "a" in world.seen()
    world.end("a", "CANCELLED")
    world.end("a", "UNAVAILABLE")
    assert "a" not in world.seen()


def test_a_hurried_attempt_counts_for_nothing() -> None:
    world = World()
    node = world.node("a")
    for _ in range(10):
        node.begin()
        node.end(Outcome("DEADLINE_EXCEEDED", seconds=0.001, hurried=True))
    assert "a" in world.seen()
    assert (node.inflight, node.failures, node.calls, node.usual) == (0, 0, 0.0, None)
    world.end("a", "DEADLINE_EXCEEDED", 5)
    assert "a" not in world.seen()


def test_a_hurried_trial_is_repeated_later() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 5)
    world.now += 5
    trial = world.balancer.choose()
    assert trial is world.node("a")
    trial.begin()
    trial.end(Outcome("DEADLINE_EXCEEDED", seconds=0.001, hurried=True))
    assert "a" not in world.seen()
    world.now += 4.9
    assert "a" not in world.seen()
    world.now += 0.1
    assert world.balancer.choose() is trial


def test_an_ejected_instance_comes_back_by_a_single_call() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 5)
    world.now += 4.9
    assert "a" not in world.seen()
    world.now += 0.1
    trial = world.balancer.choose()
    assert trial is world.node("a")
    assert "a" not in world.seen(), "its one call is under way"
    world.end("a")
    assert "a" in world.seen()
    assert world.events[-1] == InstanceReturned("greeter", "a", 5.0)


def test_a_failed_trial_makes_it_longer() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 5)
    for expected in (5.0, 10.0, 20.0):
        world.now += expected - 0.1
        assert "a" not in world.seen()
        world.now += 0.1
        assert world.call(lambda name: name == "a") == "a"
    assert world.node("a").ejection is not None
    assert [type(event) for event in world.events] == [InstanceEjected]


def test_a_cancelled_trial_is_repeated_and_one_that_takes_long_is_passed() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 5)
    world.now += 5
    assert world.balancer.choose() is world.node("a")
    world.end("a", "CANCELLED")
    assert world.balancer.choose() is world.node("a")
    world.now += 29
    assert "a" not in world.seen()
    world.now += 1
    assert "a" in world.seen()
    assert world.node("a").ejection is None


def test_a_trial_that_was_tried_before_goes_to_another_call() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 5)
    world.now += 5
    tried = world.node("a")
    assert world.balancer.choose([tried]) is not tried
    assert world.balancer.choose() is tried


def test_a_new_connection_is_a_trial_at_once() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 5)
    world.down("a")
    assert "a" not in world.seen()
    world.ready(world.node("a"))
    assert world.balancer.choose() is world.node("a")
    world.end("a")
    assert "a" in world.seen()


def test_ejections_far_apart_are_short_again() -> None:
    world = World()
    for _ in range(2):
        world.end("a", "UNAVAILABLE", 5)
        world.now += 5
        assert world.call() == "a"
        world.now += 300
    assert world.node("a").ejections == 1


def test_no_more_than_a_share_is_ejected() -> None:
    world = World()
    for name in "abcde":
        world.end(name, "OK", 10)
    for name in "abcde":
        world.end(name, "UNAVAILABLE", 5)
    assert world.seen() == {"b", "c", "d", "e"}


def test_what_fails_everywhere_ejects_nobody() -> None:
    world = World()
    world.end("a", "UNAVAILABLE", 5)
    for name in "bcde":
        for code in ("UNAVAILABLE", "UNAVAILABLE", "UNAVAILABLE", "OK") * 3:
            world.end(name, code)
    world.end("b", "UNAVAILABLE", 5)
    assert "b" in world.seen()
    world.now += 10
    assert world.seen() == set("abcde"), "who is out already is taken back, without a trial"


@pytest.mark.parametrize("count", [1, 2])
def test_the_last_one_stays(count: int) -> None:
    world = World(FIVE[:count])
    for name in "ab"[:count]:
        world.end(name, "OK", 50)
    for name in "ab"[:count]:
        world.end(name, "UNAVAILABLE", 40)
    assert len(world.seen()) == 1


def test_worse_than_the_others() -> None:
    world = World()
    for number in range(400):
        world.call(lambda name, number=number: name == "c" and number % 3 == 0)  # type: ignore[misc]
    world.now += 10
    assert world.seen() == {"a", "b", "d", "e"}
    assert world.events[0].why.endswith("others 0%")  # type: ignore[union-attr]


def test_ejection_can_be_switched_off_at_any_moment() -> None:
    world = World(balancing=Balancing(outliers=NO_EJECTION))
    world.end("a", "UNAVAILABLE", 500)
    assert "a" in world.seen()
    world = World()
    world.end("a", "UNAVAILABLE", 5)
    world.ejects = False
    world.now += 10
    assert world.seen() == set("abcde")
    world.end("a", "UNAVAILABLE", 5)
    assert world.seen() == set("abcde")


# Panic and doubt.


def test_panic_lets_those_help_who_were_well_once() -> None:
    world = World(FIVE[:4] + critical(FIVE[4]))
    world.fleet.take(Known("greeter", (FIVE[0], *critical(*FIVE[1:]))))
    assert world.seen() == {"a", "b", "c", "d"}, "e was never seen passing"
    assert world.events == [PanicEntered("greeter", 1, 4, 3)]
    world.down("b")
    assert world.seen() == {"a", "c", "d"}
    world.now += 7
    world.fleet.take(Known("greeter", (*FIVE[:3], *critical(*FIVE[3:]))))
    assert world.seen() == {"a", "c"}
    assert world.events[-1] == PanicLeft("greeter", 7.0)


def test_half_is_no_panic() -> None:
    world = World(FIVE[:4])
    world.fleet.take(Known("greeter", (*FIVE[:2], *critical(*FIVE[2:4]))))
    assert world.seen() == {"a", "b"}
    assert world.events == []


def test_the_ejected_help_in_panic() -> None:
    world = World(FIVE[:3])
    world.end("a", "UNAVAILABLE", 5)
    world.down("b")
    assert world.seen() == {"a", "c"}


def test_no_panic_where_none_is_wanted() -> None:
    world = World(balancing=Balancing(panic=0.0))
    world.fleet.take(Known("greeter", critical(*FIVE)))
    assert world.seen() == set()


def test_newcomers_that_connect_are_no_reason_to_panic() -> None:
    world = World(FIVE[:1])
    world.fleet.take(Known("greeter", FIVE))
    assert world.seen() == {"a"}
    assert not world.balancer.explain().panic


def test_the_doubtful_come_after_the_believed() -> None:
    world = World()
    world.fleet.take(Known("greeter", FIVE[:3], doubtful=FIVE[3:]))
    assert world.seen() == {"a", "b", "c"}
    world.fleet.take(Known("greeter", FIVE[:1], doubtful=FIVE[1:]))
    assert world.seen() == set("abcde")
    assert not world.balancer.explain().panic
    world.down("e")
    assert world.seen() == set("abcd")
    assert len(world.fleet.nodes) == 4, "its connection was all that spoke for it"
    world.fleet.take(Known("greeter", FIVE))
    assert not any(node.doubtful for node in world.fleet.nodes)


def test_nobody_becomes_known_by_being_doubtful() -> None:
    world = World(FIVE[:1])
    world.fleet.take(Known("greeter", (), doubtful=FIVE))
    assert world.seen() == {"a"}


def test_without_connections_the_last_call_tells_who_is_there() -> None:
    fleet: Fleet[None] = Fleet("greeter", connects=False)
    balancer = Balancer(fleet)
    fleet.take(Known("greeter", FIVE[:2]))
    served, failed = fleet.nodes
    for node, code in ((served, "OK"), (failed, "UNAVAILABLE")):
        node.begin()
        node.end(Outcome(code))
    fleet.take(Known("greeter", critical(*FIVE[:2])))
    assert {balancer.choose() for _ in range(20)} == {served}
    fleet.take(Absent("greeter"))
    assert balancer.choose() is None


# Weights.


def test_newcomers_come_to_their_share_slowly() -> None:
    world = World(FIVE[:1], Balancing(picker=RoundRobin, slow_start=10.0))
    world.now += 60
    world.balancer.choose()
    world.fleet.take(Known("greeter", FIVE[:2]))
    world.ready(world.node("b"))
    shares = []
    for _ in range(12):
        picks = Counter(node.instance.id for _ in range(100) if (node := world.balancer.choose()))
        shares.append(picks["b"])
        world.now += 1
    assert shares[0] <= 12
    assert all(later >= earlier - 1 for earlier, later in pairwise(shares)), "a turn may fall to either of two seconds"
    assert shares[-1] == 50


def test_a_node_under_a_new_description_has_its_new_weight() -> None:
    world = World(FIVE[:2])
    world.fleet.take(Known("greeter", (replace(FIVE[0], weight=3), FIVE[1])))
    picks = Counter(node.instance.id for _ in range(400) if (node := world.balancer.choose()))
    assert 299 <= picks["a"] <= 301


def test_newcomers_to_a_large_set_are_taken_in_together() -> None:
    many = tuple(replace(FIVE[0], id=str(number), port=1 + number) for number in range(1_000))
    world = World(())
    world.fleet.take(Known("greeter", many))
    first, *others = world.fleet.nodes
    world.ready(first)
    assert world.balancer.choose() is first, "nobody waits while there is nobody else"
    for node in others:
        world.ready(node)
        assert world.balancer.choose() is first
    world.now += 0.01
    assert len(world.seen(10_000)) == 1_000
    world.down("7")
    assert "7" not in world.seen(10_000), "who leaves is out at once"


# Explaining.


def test_what_is_explained() -> None:
    instances = (*FIVE[:2], *critical(FIVE[2]), replace(FIVE[3], protocol="http"), FIVE[4])
    world = World(instances, Balancing(picker="rendezvous"))
    world.down("b")
    world.end("e", "UNAVAILABLE", 5)
    explanation = world.balancer.explain("key")
    assert [one.why_not for one in explanation.candidates] == [
        "",
        "down (refused)",
        "critical",
        "speaking http, not grpc",
        "ejected (5 faults in a row)",
    ]
    assert (explanation.name, explanation.picker, explanation.panic) == ("greeter", "rendezvous", True)
    assert [one.instance.id for one in explanation.candidates if one.eligible] == ["a", "e"]
    assert explanation.candidates[4].ejected_for == 5.0
    chosen = world.balancer.choose(key="key")
    assert chosen is not None and chosen.instance.id == explanation.chosen


def test_nobody_is_explained() -> None:
    world = World(())
    assert world.balancer.explain().chosen is None


def test_numbers_that_make_no_sense_are_refused() -> None:
    with pytest.raises(BadConfiguration, match="panic"):
        Balancing(panic=2.0)
    with pytest.raises(BadConfiguration, match="unknown picker 'best'; known: least_request, maglev"):
        Balancing(picker="best")
    assert Outliers().consecutive == 5
