"""What follows from how a step ended."""

from __future__ import annotations

from random import Random

import pytest

from muster.model.errors import Denied, NotRegistered, RegistryUnavailable, Rejected
from muster.model.events import RegistrationState
from muster.serve.standing import Next, Pace, Standing, Step, decide

WAITING = Standing(RegistrationState.WAITING)
CHECKED = Standing(RegistrationState.WAITING, checked=True)
REGISTERED = Standing(RegistrationState.REGISTERED, checked=True, registered_once=True)
AWAY = RegistryUnavailable("refused")
FORGOTTEN = NotRegistered("greeter-1", "consul://x")


class Highest(Random):
    """Jitter at its upper end."""

    def uniform(self, a: float, b: float) -> float:
        return b


def after(standing: Standing, step: Step, error: Exception | None) -> tuple[Standing, Next]:
    return decide(standing, step, error, Pace(10.0), Highest())


@pytest.mark.parametrize(
    ("standing", "step", "error", "state", "todo"),
    [
        (WAITING, Step.CHECK, None, RegistrationState.WAITING, Next(Step.REGISTER, 0.0)),
        (WAITING, Step.CHECK, ValueError("no database"), RegistrationState.WAITING, Next(Step.CHECK, 0.5, prompt=True)),
        (CHECKED, Step.REGISTER, None, RegistrationState.REGISTERED, Next(Step.BEAT, 10.0, prompt=True)),
        (CHECKED, Step.REGISTER, AWAY, RegistrationState.WAITING, Next(Step.REGISTER, 0.5)),
        (CHECKED, Step.REGISTER, Denied("no"), RegistrationState.FAILING, Next(Step.REGISTER, 10.0)),
        (CHECKED, Step.REGISTER, Rejected("no"), RegistrationState.FAILING, Next(Step.REGISTER, 10.0)),
        (REGISTERED, Step.REGISTER, None, RegistrationState.REGISTERED, Next(Step.BEAT, 0.0, prompt=True)),
        (REGISTERED, Step.REGISTER, AWAY, RegistrationState.FAILING, Next(Step.REGISTER, 0.5)),
        (REGISTERED, Step.BEAT, None, RegistrationState.REGISTERED, Next(Step.BEAT, 10.0, prompt=True)),
        (REGISTERED, Step.BEAT, AWAY, RegistrationState.FAILING, Next(Step.BEAT, 0.5)),
        (REGISTERED, Step.BEAT, FORGOTTEN, RegistrationState.WAITING, Next(Step.CHECK, 0.5)),
        (REGISTERED, Step.BEAT, Denied("no"), RegistrationState.FAILING, Next(Step.BEAT, 10.0)),
        (REGISTERED, Step.BEAT, KeyError("bug"), RegistrationState.FAILING, Next(Step.BEAT, 0.5)),
    ],
)
def test_the_table(
    standing: Standing, step: Step, error: Exception | None, state: RegistrationState, todo: Next
) -> None:
    then, found = after(standing, step, error)
    assert (then.state, found) == (state, todo)
    assert bool(then.why) == (error is not None)


def test_the_reason_says_what_was_tried() -> None:
    standing, _ = after(CHECKED, Step.REGISTER, AWAY)
    assert standing.why == "register: refused"
    standing, _ = after(WAITING, Step.CHECK, ValueError())
    assert standing.why == "register check: ValueError"


def test_pauses_grow_up_to_a_beat() -> None:
    standing, pauses = CHECKED, []
    for _ in range(8):
        standing, todo = after(standing, Step.REGISTER, AWAY)
        pauses.append(todo.pause)
    assert pauses == [0.5, 1.0, 2.0, 4.0, 8.0, 10.0, 10.0, 10.0]


def test_a_pause_that_the_registry_asks_for_is_added() -> None:
    _, todo = after(CHECKED, Step.REGISTER, RegistryUnavailable("429", retry_after=30.0))
    assert todo.pause == 30.5


def test_a_registry_that_takes_everything_and_keeps_nothing_is_asked_ever_more_slowly() -> None:
    standing, pauses = REGISTERED, []
    for _ in range(4):
        standing, todo = after(standing, Step.BEAT, FORGOTTEN)
        pauses.append(todo.pause)
        standing, _ = after(standing, Step.CHECK, None)
        standing, _ = after(standing, Step.REGISTER, None)
    assert pauses == [0.5, 1.0, 2.0, 4.0]
    standing, _ = after(standing, Step.BEAT, None)
    assert standing.failures == 0


def test_instances_that_beat_together_drift_apart() -> None:
    rng = Random(1)
    pauses = [decide(REGISTERED, Step.BEAT, None, Pace(10.0), rng)[1].pause for _ in range(100)]
    assert 9.0 <= min(pauses) < max(pauses) <= 10.0


def test_pauses_after_a_failure_are_spread_over_their_whole_length() -> None:
    rng = Random(1)
    tired = Standing(RegistrationState.WAITING, checked=True, failures=9)
    pauses = sorted(decide(tired, Step.REGISTER, AWAY, Pace(10.0), rng)[1].pause for _ in range(1000))
    assert pauses[0] < 0.1
    assert 4.5 < pauses[500] < 5.5
    assert 9.9 < pauses[-1] <= 10.0


def test_a_fleet_that_was_forgotten_registers_anew_over_the_spread_and_beats_no_later() -> None:
    pace, rng = Pace(10.0, spread=60.0), Random(1)
    anew = sorted(decide(REGISTERED, Step.BEAT, FORGOTTEN, pace, rng)[1].pause for _ in range(1000))
    assert anew[0] < 1 and 28 < anew[500] < 32 and 59 < anew[-1] <= 60
    assert decide(CHECKED, Step.REGISTER, AWAY, pace, Highest())[1].pause == 60.0
    assert decide(REGISTERED, Step.BEAT, AWAY, pace, Highest())[1].pause == 0.5


MISSED = ValueError("no database")
RECHECKING = Pace(10.0, rechecks=True)


def follow(standing: Standing, steps: str) -> tuple[Standing, list[str]]:
    """What is done when the register check passes (+) or fails (-) so many times, and the registry takes everything."""
    todo, done = Next(Step.BEAT), list[str]()
    for outcome in steps:
        while todo.step not in (Step.CHECK, Step.RECHECK):
            done.append(todo.step.name)
            standing, todo = decide(standing, todo.step, None, RECHECKING, Highest())
        standing, todo = decide(standing, todo.step, None if outcome == "+" else MISSED, RECHECKING, Highest())
    return standing, [*done, todo.step.name]


@pytest.mark.parametrize(
    ("outcomes", "done"),
    [
        ("+", ["BEAT", "BEAT"]),
        ("--+", ["BEAT", "BEAT", "BEAT", "BEAT"]),
        ("---", ["BEAT", "BEAT", "BEAT", "WITHDRAW"]),
        ("----", ["BEAT", "BEAT", "BEAT", "WITHDRAW", "CHECK"]),
        ("---+", ["BEAT", "BEAT", "BEAT", "WITHDRAW", "CHECK"]),
        ("---+-+", ["BEAT", "BEAT", "BEAT", "WITHDRAW", "CHECK"]),
        ("---++", ["BEAT", "BEAT", "BEAT", "WITHDRAW", "REGISTER"]),
        ("+-" * 50, ["BEAT"] * 101),
    ],
)
def test_a_register_check_that_fails_later_withdraws_and_restores(outcomes: str, done: list[str]) -> None:
    assert follow(REGISTERED, outcomes)[1] == done


def test_a_withdrawn_instance_waits_and_is_not_welcome() -> None:
    standing, _ = follow(REGISTERED, "---")
    assert (standing.state, standing.checked) == (RegistrationState.REGISTERED, False)
    assert standing.why == "register check: no database"
    standing, todo = decide(standing, Step.WITHDRAW, None, RECHECKING, Highest())
    assert (standing.state, todo) == (RegistrationState.WAITING, Next(Step.CHECK, 10.0))
    assert standing.why == "register check: no database"


def test_a_register_check_that_cannot_make_up_its_mind_takes_it_out_for_ever_longer() -> None:
    standing, pauses = REGISTERED, list[float]()
    for _ in range(8):
        standing, _ = follow(standing, "---")
        standing, todo = decide(standing, Step.WITHDRAW, None, RECHECKING, Highest())
        pauses.append(todo.pause)
        standing, _ = decide(standing, Step.CHECK, None, RECHECKING, Highest())
        standing, _ = decide(standing, Step.CHECK, None, RECHECKING, Highest())
        standing, _ = decide(standing, Step.REGISTER, None, RECHECKING, Highest())
    assert pauses == [10.0, 20.0, 40.0, 80.0, 160.0, 300.0, 300.0, 300.0]
    assert follow(standing, "+" * 29)[0].withdrawals == 8
    assert follow(standing, "+" * 30)[0].withdrawals == 0


def test_a_registry_that_is_away_when_an_instance_is_to_be_withdrawn() -> None:
    standing, _ = follow(REGISTERED, "---")
    standing, todo = decide(standing, Step.WITHDRAW, AWAY, RECHECKING, Highest())
    assert (standing.state, standing.why) == (RegistrationState.FAILING, "withdraw: refused")
    assert todo == Next(Step.WITHDRAW, 0.5)
