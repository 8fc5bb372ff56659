"""As much of an answer as there is room for."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.agent.dns.fitting import fitted
from muster.agent.dns.records import Address, Answer, Location, Record, Text


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
@pytest.mark.parametrize("most", [5, 5000])
def test_the_first_records_stay_with_their_addresses(count: int, room: int, most: int) -> None:
    room = min(room, most)
    part = fitted(answer(count), most, 12 + 16 * room, lambda part: 12 + 16 * len(part.answer))
    assert part.answer == answer(count).answer[:room]
    if count > room:
        assert [record.owner for record in part.additional] == [f"t{n}" for n in range(room)]
        assert all(isinstance(record.data, Address) for record in part.additional)
    else:
        assert part == answer(count)


@given(st.lists(st.integers(1, 60), max_size=60), st.integers(0, 800))
def test_not_one_more_would_fit(sizes: list[int], room: int) -> None:
    whole = answer(len(sizes))
    part = fitted(whole, 1000, room, lambda part: sum(sizes[: len(part.answer)]))
    count = len(part.answer)
    assert sum(sizes[:count]) <= room
    assert count == len(sizes) or sum(sizes[: count + 1]) > room
