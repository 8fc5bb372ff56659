"""Which part of an answer goes into a message of limited size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from muster.agent.dns.records import Address, Answer, Location

_FIRST_TRY = 8


def fitted(answer: Answer, most: int, room: int, size: Callable[[Answer], int]) -> Answer:
    """The answer, or where that has no room as many of its first records as have, with what is to be said of them.

    More than `most` records are not tried. `size` takes its time, but grows about evenly: the next to be tried is where
    it would meet `room`, and halves where that was too many.
    """
    many = len(answer.answer)
    if many <= most and size(answer) <= room:
        return answer
    few, many = 0, min(many, most + 1)
    empty = size(first(answer, 0))
    tried = min(many - 1, _FIRST_TRY)
    while few < many - 1:
        used = size(first(answer, tried))
        if used <= room:
            few, guess = tried, tried * (room - empty) // max(used - empty, 1)
        else:
            many, guess = tried, (few + tried) // 2
        tried = min(max(guess, few + 1), many - 1)
    return first(answer, few)


def first(answer: Answer, count: int) -> Answer:
    """The first `count` records, and of the additional ones the addresses that belong to them: metadata would cost
    instances their places."""
    kept = answer.answer[:count]
    targets = {record.data.target.lower() for record in kept if isinstance(record.data, Location)}
    beside = (
        record for record in answer.additional if isinstance(record.data, Address) and record.owner.lower() in targets
    )
    return replace(answer, answer=kept, additional=tuple(beside))
