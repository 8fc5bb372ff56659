"""As much of an answer as there is room for."""

from __future__ import annotations

import pytest

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
    part = fitted(answer(count), most, lambda part: len(part.answer) <= room)
    assert part.answer == answer(count).answer[:room]
    if count > room:
        assert [record.owner for record in part.additional] == [f"t{n}" for n in range(room)]
        assert all(isinstance(record.data, Address) for record in part.additional)
    else:
        assert part == answer(count)
