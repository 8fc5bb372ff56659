"""What Consul 1.8.7 does to keys, without Consul: tests/conformance/test_kv.py compares with the real one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from muster.agent.catalog.topics import Topic
from muster.agent.kv.pairs import Pair, Pairs, grouped, pair_at, pairs_below
from muster.agent.store.tables import Tables

Put = Callable[..., set[Topic]]
Remove = Callable[[str], None]


@pytest.fixture
def tables() -> Tables:
    return Tables(10, lambda topics: None)


@pytest.fixture
def pairs(tables: Tables) -> Pairs:
    return Pairs(tables)


@pytest.fixture
def put(tables: Tables, pairs: Pairs) -> Put:
    def put(key: str, value: bytes = b"v") -> set[Topic]:
        with tables.write() as write:
            pairs.set(write, key, value, 0)
        return write.topics

    return put


@pytest.fixture
def remove(tables: Tables, pairs: Pairs) -> Remove:
    def remove(key: str) -> None:
        with tables.write() as write:
            pairs.delete(write, key)

    return remove


def test_a_write_concerns_the_key_and_what_it_begins_with(put: Put) -> None:
    assert put("ab") == {pair_at("ab"), pairs_below(""), pairs_below("a"), pairs_below("ab")}
    assert put("ab") == set()


def test_a_prefix_has_the_index_of_what_changed_below_it_last(pairs: Pairs, put: Put, remove: Remove) -> None:
    assert pairs.index_below("") == 1
    put("a/1")
    put("b/1")
    assert (pairs.index_below("a/"), pairs.index_below("b/"), pairs.index_below("")) == (11, 12, 12)
    put("a/2")
    remove("a/2")
    assert (pairs.index_below("a/"), pairs.index_below("b/")) == (14, 12)
    assert (pairs.index_of("a/1"), pairs.index_of("none"), pairs.index_below("none")) == (11, 14, 14)


def test_a_removal_is_never_forgotten_as_if_nothing_had_been(pairs: Pairs, put: Put, remove: Remove) -> None:
    put("a/kept")
    put("a/gone")
    remove("a/gone")
    removed = pairs.index_below("a/")
    for number in range(5000):
        put(f"b/{number}")
        remove(f"b/{number}")
    assert pairs.index_below("a/") >= removed


def test_what_is_taken_back_never_happened(tables: Tables, pairs: Pairs, put: Put) -> None:
    put("a", b"1")
    with tables.write() as write:
        pairs.set(write, "a", b"2", 0)
        assert pairs.lock(write, Pair("b", session="s"), now=0.0)
        pairs.set(write, "c", b"", 0)
        pairs.delete(write, "a")
        write.take_back()
    assert [(pair.key, pair.value) for pair in pairs.below("")] == [("a", b"1")]
    assert pairs.held_by("s") == []
    assert put("a", b"1") == set()


def test_a_lock_is_delayed_after_its_session_ended(tables: Tables, pairs: Pairs) -> None:
    with tables.write() as write:
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
