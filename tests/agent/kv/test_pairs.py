"""What Consul 1.8.7 does to keys, without Consul: tests/conformance/test_kv.py compares with the real one."""

from __future__ import annotations

import pytest

from muster.agent.catalog.sequence import Sequence
from muster.agent.kv.pairs import Pair, Pairs, grouped, pair_at, pairs_below


@pytest.fixture
def pairs() -> Pairs:
    return Pairs(Sequence(10))


def put(pairs: Pairs, key: str, value: bytes = b"v") -> frozenset[tuple[str, str]]:
    write = pairs.begin()
    pairs.set(write, key, value, 0)
    return pairs.commit(write)


def remove(pairs: Pairs, key: str) -> frozenset[tuple[str, str]]:
    write = pairs.begin()
    pairs.delete(write, key)
    return pairs.commit(write)


def test_a_write_concerns_the_key_and_what_it_begins_with(pairs: Pairs) -> None:
    assert put(pairs, "ab") == {pair_at("ab"), pairs_below(""), pairs_below("a"), pairs_below("ab")}
    assert put(pairs, "ab") == frozenset()


def test_a_prefix_has_the_index_of_what_changed_below_it_last(pairs: Pairs) -> None:
    assert pairs.index_below("") == 1
    put(pairs, "a/1")
    put(pairs, "b/1")
    assert (pairs.index_below("a/"), pairs.index_below("b/"), pairs.index_below("")) == (11, 12, 12)
    put(pairs, "a/2")
    remove(pairs, "a/2")
    assert (pairs.index_below("a/"), pairs.index_below("b/")) == (14, 12)
    assert (pairs.index_of("a/1"), pairs.index_of("none"), pairs.index_below("none")) == (11, 14, 14)


def test_a_removal_is_never_forgotten_as_if_nothing_had_been(pairs: Pairs) -> None:
    put(pairs, "a/kept")
    put(pairs, "a/gone")
    remove(pairs, "a/gone")
    removed = pairs.index_below("a/")
    for number in range(5000):
        put(pairs, f"b/{number}")
        remove(pairs, f"b/{number}")
    assert pairs.index_below("a/") >= removed


def test_what_is_taken_back_never_happened(pairs: Pairs) -> None:
    put(pairs, "a", b"1")
    write = pairs.begin()
    pairs.set(write, "a", b"2", 0)
    assert pairs.lock(write, Pair("b", session="s"), now=0.0)
    pairs.set(write, "c", b"", 0)
    pairs.delete(write, "a")
    pairs.take_back(write)
    assert [(pair.key, pair.value) for pair in pairs.below("")] == [("a", b"1")]
    assert pairs.held_by("s") == []
    assert put(pairs, "a", b"1") == frozenset()


def test_a_lock_is_delayed_after_its_session_ended(pairs: Pairs) -> None:
    write = pairs.begin()
    pairs.lock(write, Pair("k", session="s"), now=0.0)
    pairs.release_all(write, "s", delete=False, until=5.0)
    assert not pairs.lock(write, Pair("k", session="t"), now=4.9)
    assert pairs.lock(write, Pair("k", session="t"), now=5.0)
    pair = pairs.get("k")
    assert pair is not None and (pair.session, pair.lock_index) == ("t", 2)
    pairs.forget_delays(5.0)


@pytest.mark.parametrize(
    ("separator", "expected"),
    [("", ["a/", "a/b", "a/c/d", "a/c/e"]), ("/", ["a/", "a/b", "a/c/"]), ("c", ["a/", "a/b", "a/c"])],
)
def test_keys_are_grouped_behind_the_prefix(separator: str, expected: list[str]) -> None:
    assert grouped(["a/", "a/b", "a/c/d", "a/c/e"], "a/", separator) == expected
