"""Each in turn, also while the set changes."""

from __future__ import annotations

from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from muster.balance.nodes import Node
from muster.balance.round_robin import RoundRobin
from muster.model.instance import Instance


def nodes(count: int) -> list[Node[None]]:
    return [Node(Instance(f"i{number}", "greeter", "10.0.0.1", 1 + number), 0.0) for number in range(count)]


def picker(of: list[Node[None]], seed: int = 0) -> RoundRobin[None]:
    made: RoundRobin[None] = RoundRobin(Random(seed))
    made.update(of)
    return made


def test_nobody_is_picked_of_none() -> None:
    assert RoundRobin[None]().pick() is None
    assert picker([]).pick() is None


def test_clients_begin_at_different_nodes() -> None:
    three = nodes(3)
    assert {picker(three, seed).pick() for seed in range(30)} == set(three)


@given(count=st.integers(1, 20), rounds=st.integers(1, 5), seed=st.integers())
def test_every_node_gets_the_same_share(count: int, rounds: int, seed: int) -> None:
    made = picker(nodes(count), seed)
    picks = Counter(made.pick() for _ in range(count * rounds))
    assert set(picks.values()) == {rounds}


@given(count=st.integers(1, 8), tried=st.sets(st.integers(0, 7)), seed=st.integers())
def test_tried_nodes_are_avoided_while_there_is_another(count: int, tried: set[int], seed: int) -> None:
    made = nodes(count)
    avoid = [node for number, node in enumerate(made) if number in tried]
    picked = picker(made, seed).pick(avoid)
    assert picked in made
    assert (picked in avoid) == (len(avoid) == count)


def test_the_turn_goes_on_when_the_set_changes() -> None:
    four = nodes(4)
    made = picker(four)
    before = [made.pick() for _ in range(2)]
    made.update(list(four))
    after = [made.pick() for _ in range(2)]
    assert set(before + after) == set(four)


def test_a_shrunken_set_is_no_trouble() -> None:
    many = nodes(10)
    made = picker(many)
    for _ in range(9):
        made.pick()
    made.update(many[:2])
    assert {made.pick(), made.pick()} == set(many[:2])
