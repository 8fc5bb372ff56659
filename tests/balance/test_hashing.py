"""The same key, the same instance: even, stable when the set changes, bounded in load, built in slices."""

from __future__ import annotations

import time
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.balance.hashing import maglev as maglev_module
from muster.balance.hashing import ring as ring_module
from muster.balance.hashing.hashes import hash_of, points_of
from muster.balance.hashing.maglev import maglev
from muster.balance.hashing.rendezvous import Rendezvous
from muster.balance.hashing.ring import ring_hash
from muster.balance.hashing.table import SLICE, Hashing, Table
from muster.balance.nodes import Node
from muster.balance.policy import Picker, Sliced
from muster.model.errors import BadConfiguration
from muster.model.instance import Instance
from muster.model.outcome import Outcome

MAKERS = {"ring_hash": ring_hash, "maglev": maglev, "rendezvous": Rendezvous}
KEYS = [f"user-{number}" for number in range(3_000)]


def nodes(count: int, weights: tuple[int, ...] = ()) -> list[Node[None]]:
    made = [Node[None](Instance(f"i{number}", "greeter", "10.0.0.1", 1 + number), 0.0) for number in range(count)]
    for node, weight in zip(made, weights, strict=False):
        node.instance = Instance(node.instance.id, "greeter", "10.0.0.1", node.instance.port, weight=weight)
        node.weight = weight
    return made


def updated(picker: Picker[None], of: list[Node[None]], registered: list[Node[None]] | None = None) -> Picker[None]:
    picker.update(of, registered or of)
    while isinstance(picker, Sliced) and picker.work():
        pass
    return picker


def owners(picker: Picker[None]) -> dict[str, str]:
    return {key: node.instance.id for key in KEYS if (node := picker.pick(key=key)) is not None}


def test_hashes_are_the_same_everywhere() -> None:
    assert hash_of("user-1") == 0x88E1EA21865AAC9A
    assert points_of("a", 3) == points_of("a", 20)[:3]
    assert len(set(points_of("a", 100))) == 100


@pytest.mark.parametrize("name", MAKERS)
def test_all_clients_agree(name: str) -> None:
    of = nodes(7)
    one, other = (updated(MAKERS[name](), order) for order in (of, list(of)))
    assert owners(one) == owners(other)


@pytest.mark.parametrize("name", ["ring_hash", "rendezvous"])
def test_the_order_in_which_a_registry_lists_them_does_not_matter(name: str) -> None:
    of = nodes(7)
    assert owners(updated(MAKERS[name](), of)) == owners(updated(MAKERS[name](), of[::-1]))


SPREAD = {"ring_hash": 1.5, "maglev": 1.25, "rendezvous": 1.25}
"""How many times its share the busiest of 10 nodes may have of 3,000 keys: three standard deviations are 1.17."""


@pytest.mark.parametrize("name", MAKERS)
def test_keys_are_spread_evenly(name: str) -> None:
    counts = Counter(owners(updated(MAKERS[name](), nodes(10))).values())
    assert len(counts) == 10
    assert max(counts.values()) < SPREAD[name] * len(KEYS) / 10


@pytest.mark.parametrize("name", MAKERS)
def test_keys_are_spread_by_weight(name: str) -> None:
    counts = Counter(owners(updated(MAKERS[name](), nodes(4, (1, 2, 3, 4)))).values())
    shares = [counts[f"i{number}"] / len(KEYS) for number in range(4)]
    assert shares == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=0.08)


@pytest.mark.parametrize("name", MAKERS)
@given(count=st.integers(2, 20), gone=st.integers(0, 19))
@settings(max_examples=8, deadline=None)
def test_one_that_is_away_moves_its_own_keys_alone(name: str, count: int, gone: int) -> None:
    """Away, but registered: a connection that is lost, an ejection, a failing check."""
    of = nodes(count)
    away = of[gone % count]
    picker = updated(MAKERS[name](), of)
    before = owners(picker)
    updated(picker, [node for node in of if node is not away], of)
    after = owners(picker)
    assert {before[key] for key in KEYS if before[key] != after[key]} <= {away.instance.id}
    updated(picker, of)
    assert owners(picker) == before


@pytest.mark.parametrize(("name", "bound"), [("ring_hash", 1.0), ("rendezvous", 1.0), ("maglev", 2.0)])
@pytest.mark.parametrize("count", [3, 10, 50])
def test_one_of_n_that_leaves_for_good_moves_about_1_of_n_keys(name: str, bound: float, count: int) -> None:
    """Ring and rendezvous move its own keys; Maglev about as many again at most. `bound`: in its own keys."""
    of = nodes(count)
    before = owners(updated(MAKERS[name](), of))
    for gone in (0, count - 1):
        after = owners(updated(MAKERS[name](), of[:gone] + of[gone + 1 :]))
        its_own = sum(owner == f"i{gone}" for owner in before.values())
        assert its_own <= sum(before[key] != after[key] for key in KEYS) <= its_own * bound + 5


@pytest.mark.parametrize("name", MAKERS)
def test_a_full_node_spills_over_and_nobody_has_more_than_the_bound(name: str) -> None:
    of = nodes(5)
    picker = updated(MAKERS[name](), of)
    taken = [picker.pick(key="hot")]
    for _ in range(100):
        node = picker.pick(key="hot")
        assert node is not None
        node.begin()
        taken.append(node)
    assert max(node.inflight for node in of) <= 1.25 * 101 / 5 + 1
    assert sum(node.inflight > 0 for node in of) >= 4
    for node in taken[1:]:
        assert node is not None
        node.end(Outcome("OK"))
    assert picker.pick(key="hot") is taken[0]


@pytest.mark.parametrize("name", MAKERS)
def test_without_a_bound_a_key_stays_where_it_is(name: str) -> None:
    of = nodes(5)
    picker = updated(MAKERS[name](0.0), of)
    chosen = set()
    for _ in range(50):
        node = picker.pick(key="hot")
        assert node is not None
        node.begin()
        chosen.add(node)
    assert len(chosen) == 1


def test_a_bound_of_one_is_none() -> None:
    with pytest.raises(BadConfiguration, match="above 1"):
        maglev(1.0)


@pytest.mark.parametrize("name", MAKERS)
def test_calls_without_a_key_go_anywhere(name: str) -> None:
    of = nodes(5)
    picker = updated(MAKERS[name](), of)
    assert {picker.pick() for _ in range(300)} == set(of)


# Slices.


@pytest.mark.parametrize("build", [ring_module.build, maglev_module.build])
def test_building_gives_way_often(build: object) -> None:
    steps = 0
    longest = 0.0
    last = time.thread_time()
    for _ in build([(f"i{number}", 1.0) for number in range(1_000)]):  # type: ignore[operator]
        steps += 1
        longest, last = max(longest, time.thread_time() - last), time.thread_time()
    assert steps > 100
    assert longest < 10 * SLICE


@pytest.mark.parametrize("name", ["ring_hash", "maglev"])
def test_the_old_table_serves_while_a_new_one_is_built(name: str) -> None:
    of = nodes(20)
    picker: Hashing[None] = MAKERS[name]()  # type: ignore[assignment]
    updated(picker, of[:10])
    before = owners(picker)
    picker.update(of, of)
    assert owners(picker) == before
    while picker.work():
        pass
    assert set(owners(picker).values()) > set(before.values())


def test_steady_change_does_not_keep_a_table_from_being_finished() -> None:
    built: list[int] = []

    def build(entries: object) -> object:
        for _ in range(5):
            yield
        built.append(len(entries))  # type: ignore[arg-type]
        table: Table = ring_module.Ring([1], {1: 0})
        return table

    picker: Hashing[None] = Hashing(build)  # type: ignore[arg-type]
    of = nodes(50)
    for count in range(1, 50):
        picker.update(of[:count], of[:count])
        assert picker._begun()
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr("muster.balance.hashing.table.SLICE", 0.0)
            picker.work()
    assert len(built) >= 8
