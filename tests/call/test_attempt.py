"""The attempt machine, as a table, and with its budget."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from muster.call.attempt import Attempts, Decision, Fail, Retrier, Send, Wait, attempt_timeout, decide
from muster.call.budget import RetryBudget
from muster.call.retry import NO_RETRIES, RETRIES, RetryPolicy
from muster.model.outcome import Outcome

NOW = 100.0
LOST = Outcome("UNAVAILABLE")
REFUSED = Outcome("UNAVAILABLE", unprocessed=True)
UNREAD = Outcome("RESOURCE_EXHAUSTED", unread=True)


class Longest(Random):
    """Dice that always give the longest pause."""

    def uniform(self, a: float, b: float) -> float:
        return b


CASES: list[tuple[str, dict[str, Any], Outcome, bool, Decision]] = [
    ("done", {"idempotent": True, "sent": 1}, Outcome("OK"), True, Fail()),
    ("not idempotent: may have been processed", {"sent": 1}, LOST, True, Fail()),
    ("not idempotent: was not processed", {"resent": 1}, REFUSED, True, Send()),
    ("idempotent: at once to another", {"idempotent": True, "sent": 1}, LOST, True, Send()),
    ("idempotent: nobody else", {"idempotent": True, "sent": 1}, LOST, False, Wait(0.05)),
    ("idempotent: second retry", {"idempotent": True, "sent": 2}, LOST, True, Wait(0.1)),
    ("idempotent: attempts used up", {"idempotent": True, "sent": 3}, LOST, True, Fail()),
    ("an answer that no retry improves", {"idempotent": True, "sent": 1}, Outcome("NOT_FOUND"), True, Fail()),
    ("a time limit is not tried again", {"idempotent": True, "sent": 1}, Outcome("DEADLINE_EXCEEDED"), True, Fail()),
    ("cancelled by the server", {"idempotent": True, "sent": 1}, Outcome("CANCELLED"), True, Send()),
    ("resent: still somebody else", {"resent": 5}, REFUSED, True, Send()),
    ("resent: everybody was asked", {"resent": 2}, REFUSED, False, Wait(0.1)),
    ("resent often enough", {"resent": 11}, REFUSED, True, Fail()),
    ("resends do not use up attempts", {"idempotent": True, "sent": 1, "resent": 9}, LOST, True, Send()),
    ("pushback", {"idempotent": True, "sent": 1}, Outcome("UNAVAILABLE", pushback=0.7), True, Wait(0.7)),
    ("pushback: at once", {"idempotent": True, "sent": 1}, Outcome("UNAVAILABLE", pushback=0.0), True, Send()),
    ("pushback: never", {"idempotent": True, "sent": 1}, Outcome("UNAVAILABLE", pushback=-1.0), True, Fail()),
    ("full", {"idempotent": True, "sent": 1}, Outcome("RESOURCE_EXHAUSTED"), True, Fail()),
    (
        "full, for a while",
        {"idempotent": True, "sent": 1},
        Outcome("RESOURCE_EXHAUSTED", pushback=2.0),
        True,
        Wait(2.0),
    ),
    ("full, for ever", {"idempotent": True, "sent": 1}, Outcome("RESOURCE_EXHAUSTED", pushback=-1.0), True, Fail()),
    ("full, not idempotent", {"sent": 1}, Outcome("RESOURCE_EXHAUSTED", pushback=2.0), True, Fail()),
    ("refused unread, whatever the method", {"sent": 1}, UNREAD, True, Send()),
    ("refused unread: nobody else", {"idempotent": True, "sent": 1}, UNREAD, False, Fail()),
    ("refused unread: attempts used up", {"sent": 3}, UNREAD, True, Fail()),
    ("no time left", {"idempotent": True, "sent": 1, "deadline": NOW}, LOST, True, Fail()),
    ("no time for the pause", {"idempotent": True, "sent": 2, "deadline": NOW + 0.1}, LOST, True, Fail()),
    ("time for the pause", {"idempotent": True, "sent": 2, "deadline": NOW + 0.11}, LOST, True, Wait(0.1)),
    ("the caller has seen an answer", {"idempotent": True, "sent": 1, "repeatable": False}, LOST, True, Fail()),
    ("cannot be repeated", {"resent": 1, "repeatable": False}, REFUSED, True, Fail()),
]


@pytest.mark.parametrize(
    ("state", "outcome", "elsewhere", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_decisions(state: dict[str, Any], outcome: Outcome, elsewhere: bool, expected: Decision) -> None:
    assert decide(Attempts(**state), outcome, RETRIES, NOW, Longest(), elsewhere=elsewhere) == expected


@pytest.mark.parametrize(
    ("state", "expected"),
    [
        ({"idempotent": True, "sent": 1}, Send()),
        ({"idempotent": True, "sent": 1, "deadline": NOW + 1}, Send()),
        ({"idempotent": True, "sent": 1, "deadline": NOW + 0.001}, Fail()),
        ({"idempotent": True, "sent": 3}, Fail()),
        ({"sent": 1}, Fail()),
    ],
)
def test_an_attempt_that_was_cut_off(state: dict[str, Any], expected: Decision) -> None:
    policy = RetryPolicy(attempt_timeout=0.5)
    late = Outcome("DEADLINE_EXCEEDED")
    assert decide(Attempts(**state), late, policy, NOW, Longest(), elsewhere=True) == expected


@pytest.mark.parametrize(
    ("state", "left", "expected"),
    [
        ({"idempotent": True}, None, 0.5),
        ({"idempotent": True}, 3.0, 0.5),
        ({"idempotent": True}, 0.2, 0.2),
        ({"idempotent": True, "sent": 1}, 3.0, 0.5),
        ({"idempotent": True, "sent": 2}, 3.0, 3.0),
        ({"idempotent": True, "resent": 9}, 3.0, 0.5),
        ({}, 3.0, 3.0),
    ],
)
def test_the_time_of_an_attempt(state: dict[str, Any], left: float | None, expected: float | None) -> None:
    assert attempt_timeout(Attempts(**state), RetryPolicy(attempt_timeout=0.5), left) == expected
    assert attempt_timeout(Attempts(**state), RETRIES, left) == left


def test_no_retries_is_neither_kind() -> None:
    for outcome in (LOST, REFUSED):
        state = Attempts(idempotent=True).after(outcome)
        assert decide(state, outcome, NO_RETRIES, NOW, Longest(), elsewhere=True) == Fail()


def test_attempts_are_counted_by_what_is_certain() -> None:
    assert Attempts().after(LOST) == Attempts(sent=1)
    assert Attempts().after(REFUSED) == Attempts(resent=1)


def test_retries_are_charged_and_resends_are_not() -> None:
    budget = RetryBudget(ratio=0.0, per_second=0.1)
    retrier = Retrier(RETRIES, budget, Longest())
    retried, resent = Attempts(idempotent=True, sent=1), Attempts(resent=1)
    assert retrier.decide(resent, REFUSED, NOW, elsewhere=True) == Send()
    assert retrier.decide(retried, LOST, NOW, elsewhere=True) == Send()
    assert retrier.decide(retried, LOST, NOW, elsewhere=True) == Fail(exhausted=True)
    assert retrier.decide(resent, REFUSED, NOW, elsewhere=True) == Send()


def test_what_is_not_retried_is_not_charged() -> None:
    budget = RetryBudget(ratio=0.0, per_second=0.1)
    retrier = Retrier(RETRIES, budget, Longest())
    assert retrier.decide(Attempts(sent=1), LOST, NOW, elsewhere=True) == Fail()
    assert budget.withdraw(NOW)
