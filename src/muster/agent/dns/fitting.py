"""Which part of an answer goes into a message of limited size."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from muster.agent.dns.records import Address, Answer, Location


def fitted(answer: Answer, most: int, fits: Callable[[Answer], bool]) -> Answer:
    """The answer, or where that does not fit as many of its first records as do, with what is to be said of them.

    There is no room for more than `most`: whether so many fit is not asked, since `fits` takes its time.
    """
    few, many = 0, len(answer.answer)
    if many <= most and fits(answer):
        return answer
    many = min(many, most)
    while few < many:
        middle = (few + many + 1) // 2
        if fits(first(answer, middle)):
            few = middle
        else:
            many = middle - 1
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
