"""Encoded answers are made once for each state, and bounded."""

from __future__ import annotations

from muster.agent.encoded import EncodedAnswers


class Counted:
    """A value that knows how often it was asked for."""

    def __init__(self) -> None:
        self.asked = 0

    def __call__(self) -> list[int]:
        self.asked += 1
        return [self.asked]


def test_a_body_is_made_once_for_an_index() -> None:
    answers, value = EncodedAnswers(), Counted()
    assert answers.body("a", 1, value) == answers.body("a", 1, value) == b"[1]"
    assert answers.body("a", 2, value) == b"[2]"
    assert answers.body("a", 1, value) == b"[3]", "an index may also go back: only the last one is held"


def test_the_least_recently_used_go_first() -> None:
    answers, first, second = EncodedAnswers(limit=1500), Counted(), Counted()
    answers.body("first", 1, first)
    answers.body("second", 1, second)
    answers.body("first", 1, first)
    answers.body("third", 1, Counted())
    answers.body("first", 1, first)
    answers.body("second", 1, second)
    assert (first.asked, second.asked) == (1, 2)


def test_keys_count_as_well_as_bodies() -> None:
    answers, value = EncodedAnswers(limit=1500), Counted()
    answers.body("kept", 1, value)
    answers.body("x" * 2000, 1, Counted())
    answers.body("kept", 1, value)
    assert value.asked == 2
