"""When a call is sent a second time."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest

from muster.call.hedge import ENOUGH, Hedger, Hedging, Quantile
from muster.model.errors import BadConfiguration

METHOD = "/greeter.Say/Hello"


@pytest.mark.parametrize("wrong", [{"quantile": 0}, {"quantile": 1}, {"delay": -1}, {"least": -0.1}])
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadConfiguration, match="between 0 and 1"):
        Hedging(**wrong)


def test_a_fixed_delay_is_known_at_once() -> None:
    hedger = Hedger(Hedging(delay=0.3))
    assert hedger.delay(METHOD) == 0.3
    hedger.record(METHOD, 5.0)
    assert hedger.delay(METHOD) == 0.3


def test_a_measured_delay_takes_some_calls_of_that_method() -> None:
    hedger = Hedger(Hedging())
    for _ in range(ENOUGH):
        assert hedger.delay(METHOD) is None
        hedger.record(METHOD, 0.2)
    assert hedger.delay(METHOD) == pytest.approx(0.2, rel=0.15)
    assert hedger.delay("/greeter.Say/Other") is None


def test_a_measured_delay_has_a_least() -> None:
    hedger = Hedger(Hedging(least=0.05))
    for _ in range(ENOUGH):
        hedger.record(METHOD, 0.001)
    assert hedger.delay(METHOD) == 0.05


SHAPES: dict[str, Callable[[Random], float]] = {
    "even": lambda rng: rng.uniform(0.01, 0.02),
    "exponential": lambda rng: rng.expovariate(100),
    "long tail": lambda rng: rng.lognormvariate(-5, 1),
    "one in ten is slow": lambda rng: 1.0 if rng.random() < 0.1 else 0.01,
}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("p", [0.5, 0.9, 0.95, 0.99])
def test_the_right_share_is_above(shape: str, p: float) -> None:
    rng, quantile = Random(1), Quantile(p)
    above = 0
    for number in range(22_000):
        seconds = SHAPES[shape](rng)
        above += number >= 2_000 and seconds > quantile.value
        quantile.record(seconds)
    assert above / 20_000 == pytest.approx(1 - p, rel=0.35)


def test_it_follows_a_change() -> None:
    rng, quantile = Random(1), Quantile(0.95)
    for _ in range(1_000):
        quantile.record(rng.uniform(0.01, 0.02))
    for _ in range(100):
        quantile.record(rng.uniform(0.1, 0.2))
    assert 0.15 < quantile.value < 0.25
    for _ in range(2_000):
        quantile.record(rng.uniform(0.01, 0.02))
    assert quantile.value < 0.025


def test_answers_that_were_hedged_do_not_draw_the_estimate_down() -> None:
    """The hedge answers in no time; the call as a whole still took longer than the delay."""
    rng, hedger = Random(1), Hedger(Hedging())
    hedged = 0
    for number in range(20_000):
        alone = rng.lognormvariate(-5, 1)
        delay = hedger.delay(METHOD)
        late = delay is not None and alone > delay
        hedged += late and number > 2_000
        hedger.record(METHOD, delay + 1e-6 if late and delay is not None else alone)
    assert 0.03 < hedged / 18_000 < 0.07
