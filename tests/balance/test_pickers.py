"""Every policy: fair by weight, never one that was tried if there is another, and its own virtues."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.balance.load.inflight import InFlight
from muster.balance.load.peak_ewma import PENALTY, PeakEWMA
from muster.balance.named import maker
from muster.balance.nodes import Node
from muster.balance.policy import Picker, Sliced
from muster.balance.round_robin import RoundRobin
from muster.balance.subset import Subset
from muster.balance.two_choices import TwoChoices
from muster.balance.weighted_random import WeightedRandom
from muster.balance.zone_aware import ZoneAware, share
from muster.model.errors import BadConfiguration
from muster.model.instance import Instance
from muster.model.outcome import Outcome

NAMES = ("least_request", "maglev", "peak_ewma", "random", "rendezvous", "ring_hash", "round_robin", "zone_aware")
SEEDED: dict[str, Callable[[Random], Picker[None]]] = {
    "round_robin": RoundRobin,
    "random": WeightedRandom,
    "least_request": lambda rng: TwoChoices(InFlight(), rng),
    "zone_aware": lambda rng: ZoneAware("a", rng),
}


def nodes(weights: list[int] | int, zones: str = "") -> list[Node[None]]:
    weights = [1] * weights if isinstance(weights, int) else weights
    return [
        Node(
            Instance(
                f"i{number}",
                "greeter",
                "10.0.0.1",
                1 + number,
                weight=weight,
                zone=(zones or " ")[number % max(len(zones), 1)],
            ),
            0.0,
        )
        for number, weight in enumerate(weights)
    ]


def updated(picker: Picker[None], of: list[Node[None]], registered: list[Node[None]] | None = None) -> Picker[None]:
    picker.update(of, registered or of)
    while isinstance(picker, Sliced) and picker.work():
        pass
    return picker


@pytest.fixture(params=NAMES)
def picker(request: Any) -> Picker[None]:
    made: Picker[None] = maker(request.param)()
    return made


# All of them.


def test_nobody_of_none(picker: Picker[None]) -> None:
    assert picker.pick() is None
    assert updated(picker, []).pick(key="key") is None


def test_one_is_always_picked(picker: Picker[None]) -> None:
    one = nodes(1)
    updated(picker, one)
    assert picker.pick() is one[0]
    assert picker.pick(one) is one[0]


def test_everybody_is_picked_and_nobody_who_has_gone(picker: Picker[None]) -> None:
    ten = nodes(10)
    updated(picker, ten)
    assert {picker.pick(key=str(number)) for number in range(500)} == set(ten)
    picker.update(ten[:3], ten)  # tables may still be old
    assert {picker.pick(key=str(number)) for number in range(200)} == set(ten[:3])


@pytest.mark.parametrize("name", NAMES)
@given(count=st.integers(1, 8), tried=st.sets(st.integers(0, 7)), heavy=st.booleans())
@settings(max_examples=30, deadline=None)
def test_tried_nodes_are_avoided_while_there_is_another(name: str, count: int, tried: set[int], heavy: bool) -> None:
    of = nodes([1 + number * heavy for number in range(count)])
    avoid = [node for number, node in enumerate(of) if number in tried]
    picker: Picker[None] = maker(name)()
    if isinstance(picker, Sliced) and name == "maglev":
        picker.update(of, of)  # its table takes a tenth of a second; without one any order will do
    else:
        updated(picker, of)
    for key in (None, "a", "b"):
        picked = picker.pick(avoid, key)
        assert picked in of
        assert (picked in avoid) == (len(avoid) == count)


# In proportion to the weights.


@pytest.mark.parametrize("name", SEEDED)
@given(weights=st.lists(st.integers(1, 9), min_size=1, max_size=6), seed=st.integers(0, 2**32))
@settings(max_examples=20, deadline=None)
def test_idle_nodes_share_in_proportion_to_their_weights(name: str, weights: list[int], seed: int) -> None:
    of = nodes(weights)
    picker = updated(SEEDED[name](Random(seed)), of)
    picks = Counter(picker.pick() for _ in range(2_000))
    for node, weight in zip(of, weights, strict=True):
        assert picks[node] / 2_000 == pytest.approx(weight / sum(weights), abs=0.06)


@given(weights=st.lists(st.integers(1, 9), min_size=2, max_size=8), rounds=st.integers(1, 4), seed=st.integers())
def test_round_robin_is_exact_and_smooth(weights: list[int], rounds: int, seed: int) -> None:
    of = nodes(weights)
    picker = updated(RoundRobin(Random(seed)), of)
    picks = Counter(picker.pick() for _ in range(sum(weights) * rounds))
    assert all(abs(picks[node] - weight * rounds) <= 1 for node, weight in zip(of, weights, strict=True))


def test_a_heavy_node_has_its_turns_apart() -> None:
    of = nodes([3, 1, 1, 1])
    picker = updated(RoundRobin(Random(1)), of)
    turns = [picker.pick() is of[0] for _ in range(60)]
    assert not any(turns[at] and turns[at + 1] and turns[at + 2] for at in range(57))


# By load.


def test_the_less_loaded_of_two() -> None:
    busy, idle = of = nodes(2)
    picker = updated(TwoChoices(InFlight()), of)
    busy.begin()
    assert {picker.pick() for _ in range(50)} == {idle}
    idle.begin()
    idle.begin()
    assert {picker.pick() for _ in range(50)} == {busy}


def test_a_full_node_gets_less_than_the_others() -> None:
    of = nodes(10)
    picker = updated(TwoChoices(InFlight(), Random(1)), of)
    for _ in range(5):
        of[0].begin()
    picks = Counter(picker.pick() for _ in range(1_000))
    assert picks[of[0]] == 0


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def test_peaks_count_at_once_and_fade() -> None:
    clock = Clock()
    load = PeakEWMA(decay=10.0, clock=clock)
    (node,) = nodes(1)
    load.follow(node)
    for seconds, expected in ((0.010, 0.010), (0.500, 0.500), (0.010, 0.500)):
        node.begin()
        node.end(Outcome("OK", seconds=seconds))
        assert load.cost(node) == pytest.approx(expected)
    clock.now = 10.0
    assert load.cost(node) == pytest.approx(0.5 / 2.718281828)
    node.begin()
    node.end(Outcome("OK", seconds=0.010))
    assert load.cost(node) == pytest.approx(0.5 / 2.718281828 + 0.010 * (1 - 1 / 2.718281828))
    clock.now = 1e6
    assert load.cost(node) < 1e-3


def test_failing_fast_is_not_being_fast_and_being_cancelled_says_little() -> None:
    load = PeakEWMA(clock=Clock())
    failing, cancelled, unknown = of = nodes(3)
    for node in of:
        load.follow(node)
        load.follow(node)
        node.begin()
    failing.end(Outcome("UNAVAILABLE", seconds=0.001))
    assert load.cost(failing) == PENALTY
    cancelled.end(Outcome("CANCELLED", seconds=0.3))
    assert load.cost(cancelled) == pytest.approx(0.3)
    assert load.cost(unknown) > PENALTY, "its first answer is awaited"


def test_a_fast_node_is_preferred() -> None:
    slow, fast = of = nodes(2)
    picker = updated(TwoChoices(PeakEWMA(clock=Clock())), of)
    for node, seconds in ((slow, 0.1), (fast, 0.01)):
        node.begin()
        node.end(Outcome("OK", seconds=seconds))
    assert {picker.pick() for _ in range(50)} == {fast}
    for _ in range(12):
        fast.begin()
    assert {picker.pick() for _ in range(50)} == {slow}


# Zones.


@pytest.mark.parametrize(
    ("present", "usual", "expected"), [(4, 4, 1.0), (3, 4, 1.0), (2, 4, 0.7), (1, 4, 0.35), (0, 4, 0.0), (0, 0, 0.0)]
)
def test_how_much_stays_in_the_zone(present: float, usual: float, expected: float) -> None:
    assert share(present, usual) == pytest.approx(expected)


def test_calls_spill_over_as_local_capacity_falls() -> None:
    of = nodes(8, zones="ab")
    local = [node for node in of if node.instance.zone == "a"]
    picker: ZoneAware[None] = ZoneAware("a", Random(1))
    for here, expected in ((4, 1.0), (3, 1.0), (2, 0.7), (1, 0.35), (0, 0.0)):
        gone = local[here:]
        picker.update([node for node in of if node not in gone], of)
        stayed = sum((node := picker.pick()) is not None and node in local for _ in range(2_000))
        assert stayed / 2_000 == pytest.approx(expected, abs=0.04)


def test_a_retry_leaves_the_zone_only_where_it_must() -> None:
    of = nodes(4, zones="ab")
    picker = updated(ZoneAware("a"), of)
    assert picker.pick([of[0]]) is of[2]
    assert picker.pick([of[0], of[2]]) in (of[1], of[3])


def test_without_a_zone_all_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MUSTER_ZONE", raising=False)
    of = nodes(4, zones="ab")
    assert {updated(ZoneAware(), of).pick() for _ in range(200)} == set(of)
    monkeypatch.setenv("MUSTER_ZONE", "b")
    assert {updated(ZoneAware(), of).pick() for _ in range(200)} == {of[1], of[3]}


# Subsets.

KEYS = [(f"i{number}", "10.0.0.1", number, True) for number in range(200)]


@given(size=st.integers(1, 40), position=st.floats(0, 1, exclude_max=True), gone=st.integers(0, 199))
@settings(deadline=None)
def test_one_instance_less_changes_at_most_two_of_a_subset(size: int, position: float, gone: int) -> None:
    subset = Subset(size, position)
    before, after = subset.of(KEYS), subset.of(KEYS[:gone] + KEYS[gone + 1 :])
    assert len(before) == len(after) == size
    assert len(before - after) <= 2


def test_clients_at_even_positions_load_everybody_evenly() -> None:
    users = Counter(key for index in range(100) for key in Subset(20, (index, 100)).of(KEYS))
    assert len(users) == 200
    assert set(users.values()) == {10}


def test_small_sets_are_used_whole() -> None:
    assert Subset(20).of(KEYS[:40]) == frozenset(KEYS[:40])
    assert len(Subset(20).of(KEYS[:41])) == 20


@pytest.mark.parametrize("wrong", [(0, 0.0), (5, 1.0), (5, -0.1), (5, (3, 3)), (5, (0, 0))])
def test_positions_that_make_no_sense(wrong: tuple[int, Any]) -> None:
    with pytest.raises(BadConfiguration):
        Subset(*wrong)


# By name.


def test_a_class_or_a_function_is_a_maker() -> None:
    assert maker(RoundRobin) is RoundRobin


def test_others_add_their_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> None:
    (tmp_path / "third.py").write_text("from muster.balance.round_robin import RoundRobin as Mine\n")
    info = tmp_path / "third-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: third\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[muster.pickers]\nmine = third:Mine\nbroken = third:Missing\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert maker("mine") is RoundRobin
    with pytest.raises(BadConfiguration, match="'broken' cannot be loaded"):
        maker("broken")
    with pytest.raises(BadConfiguration, match="broken, least_request"):
        maker("other")
