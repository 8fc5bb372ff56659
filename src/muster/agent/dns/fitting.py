"""Which part of an answer goes into a message of limited size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from muster.agent.dns.records import Address, Answer, Location, Room


def fitted(answer: Answer, room: Room, write: Callable[[Answer], bytes]) -> tuple[Answer, bytes]:
    """The answer as written, or where that has no room as many of its first records as have, with what is to be said of
    them. What has no room at all is written nevertheless, without records.

    `write` takes its time, but lengths grow about evenly: the next to be tried is where a line between the largest part
    that fits and the smallest that does not would meet the room.
    """
    some = _allowed(answer, room)
    wire = write(some)
    if len(wire) <= room.octets or not some.answer:
        return some, wire
    few, many, too_long = 0, len(some.answer), len(wire)
    wire = write(first(answer, 0))
    while few < many - 1:
        guess = few + (many - few) * (room.octets - len(wire)) // max(too_long - len(wire), 1)
        tried = min(max(guess, few + 1), many - 1)
        written = write(first(answer, tried))
        if len(written) <= room.octets:
            few, wire = tried, written
        else:
            many, too_long = tried, len(written)
    return first(answer, few), wire


def _allowed(answer: Answer, room: Room) -> Answer:
    """The answer, with no more instances than it may have."""
    told = [at for at, record in enumerate(answer.answer) if isinstance(record.data, Address | Location)]
    return answer if not room.instances or len(told) <= room.instances else first(answer, told[room.instances])


def first(answer: Answer, count: int) -> Answer:
    """The first `count` records, and of the additional ones the addresses that belong to them: metadata would cost
    instances their places."""
    kept = answer.answer[:count]
    targets = {record.data.target.lower() for record in kept if isinstance(record.data, Location)}
    beside = (
        record for record in answer.additional if isinstance(record.data, Address) and record.owner.lower() in targets
    )
    return replace(answer, answer=kept, additional=tuple(beside))
