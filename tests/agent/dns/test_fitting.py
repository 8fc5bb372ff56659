"""As much of an answer as there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.agent.dns.fitting import fitted
from muster.agent.dns.records import Address, Alias, Answer, Location, Record, Room, Text


def answer(count: int) -> Answer:
    return Answer(
        answer=tuple(Record("q", 0, Location(1, n, f"T{n}")) for n in range(count)),
        additional=tuple(
            record
            for n in range(count)
            for record in (Record(f"t{n}", 0, Address("10.0.0.1")), Record(f"t{n}", 0, Text("k=v")))
        ),
    )


@pytest.mark.parametrize(("count", "room"), [(0, 0), (1, 1), (10, 0), (10, 1), (10, 7), (10, 10), (1000, 333)])
def test_the_first_records_stay_with_their_addresses(count: int, room: int) -> None:
    part, wire = fitted(answer(count), Room(12 + 16 * room), lambda part: bytes(12 + 16 * len(part.answer)))
    assert part.answer == answer(count).answer[:room]
    assert len(wire) == 12 + 16 * room
    if count > room:
        assert [record.owner for record in part.additional] == [f"t{n}" for n in range(room)]
        assert all(isinstance(record.data, Address) for record in part.additional)
    else:
        assert part == answer(count)


@given(st.lists(st.integers(1, 60), max_size=60), st.integers(0, 800))
def test_not_one_more_would_fit(sizes: list[int], room: int) -> None:
    part, wire = fitted(answer(len(sizes)), Room(room), lambda part: bytes(sum(sizes[: len(part.answer)])))
    count = len(part.answer)
    assert sum(sizes[:count]) == len(wire) <= room
    assert count == len(sizes) or sum(sizes[: count + 1]) > room


@pytest.mark.parametrize(("instances", "count"), [(0, 5), (3, 3), (4, 4), (5, 5), (6, 5)])
def test_no_more_instances_than_allowed(instances: int, count: int) -> None:
    part, _ = fitted(answer(5), Room(512, instances), lambda part: b"")
    assert part.answer == answer(5).answer[:count]


def test_an_alias_is_no_instance() -> None:
    told = (Record("q", 0, Alias("t")), Record("t", 0, Address("10.0.0.1")), Record("t", 0, Address("10.0.0.2")))
    part, _ = fitted(Answer(answer=told), Room(512, 1), lambda part: b"")
    assert part.answer == told[:2]


def test_what_has_no_room_at_all_is_written_without_records() -> None:
    part, wire = fitted(answer(3), Room(10), lambda part: bytes(12 + len(part.answer)))
    assert (part.answer, len(wire)) == ((), 12)
