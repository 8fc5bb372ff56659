"""Which answers are believed, by tables."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.model.check import Health
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Answer, Known, doubtful_of, instances_of
from muster.watch.belief import Belief, Doubt, believe, expire


def some(numbers: str) -> Answer:
    """An answer with an instance for each digit; Absent for none."""
    instances = tuple(Instance(digit, "greeter", "127.0.0.1", 1000 + int(digit)) for digit in numbers)
    return Known("greeter", instances) if instances else Absent("greeter")


def ids(instances: tuple[Instance, ...]) -> str:
    return "".join(instance.id for instance in instances)


@pytest.mark.parametrize(
    ("answers", "believed", "doubtful"),
    [
        (["123", "12"], "12", ""),  # one of three went
        (["123", "1"], "1", ""),  # two of three: a small set may
        (["1234", "12"], "12", ""),  # half of four: not more than half
        (["1234", "1"], "1", "234"),  # three of four at once
        (["1234", "5678"], "5678", "1234"),  # all replaced at once: the old ones while they are connected
        (["1", ""], "", "1"),  # the last one
        (["123", ""], "", "123"),
        (["123", "", "123"], "123", ""),  # it was a mistake
        (["1234", "1", "12"], "12", "34"),  # they come back one by one
        (["1234", "1", ""], "", "2341"),  # what follows doubt is doubted too
        (["12345678", "1234567", "12345", "123"], "123", ""),  # a rollout takes its time
        (["", "12"], "12", ""),
    ],
)
def test_answers_in_quick_succession(answers: list[str], believed: str, doubtful: str) -> None:
    belief: Belief | None = None
    for second, answer in enumerate(answers):
        belief = believe(belief, some(answer), float(second))
    assert belief is not None
    assert (ids(instances_of(belief.snapshot)), ids(doubtful_of(belief.snapshot))) == (believed, doubtful)


def test_doubt_ends_with_its_grace_and_scaling_to_zero_is_obeyed_in_the_end() -> None:
    belief = believe(believe(None, some("123"), 0.0), some(""), 10.0, Doubt(grace=30.0))
    assert belief.until == 40.0
    assert expire(belief, 39.9) == belief
    assert expire(belief, 40.0).snapshot == Absent("greeter")


def test_who_was_critical_has_left_of_its_own_accord() -> None:
    critical = Known("greeter", tuple(replace(each, health=Health.CRITICAL) for each in instances_of(some("123"))))
    assert believe(believe(None, critical, 0.0), some(""), 10.0).snapshot == Absent("greeter")


def test_a_repeated_answer_does_not_lengthen_the_grace() -> None:
    belief = believe(believe(None, some("123"), 0.0), some(""), 10.0)
    assert believe(belief, some(""), 20.0).until == 40.0


def test_without_grace_everything_is_believed() -> None:
    assert believe(believe(None, some("1234"), 0.0), some(""), 1.0, Doubt(grace=0)).snapshot == Absent("greeter")


@given(st.lists(st.sets(st.sampled_from("123456")), min_size=1, max_size=12))
def test_nothing_is_both_believed_and_doubtful_and_the_answer_is_always_believed(answers: list[set[str]]) -> None:
    belief: Belief | None = None
    for second, answer in enumerate(answers):
        belief = believe(belief, some("".join(sorted(answer))), float(second))
        believed, doubtful = ids(instances_of(belief.snapshot)), ids(doubtful_of(belief.snapshot))
        assert set(believed) == answer and not set(believed) & set(doubtful)
        assert len(set(doubtful)) == len(doubtful)
