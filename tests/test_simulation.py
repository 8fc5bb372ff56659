"""The simulation is the same each time, and says what the documentation says."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from bench import overload, published, simulation
from bench.chart import Chart

from muster.call.hedge import Hedging


def test_the_same_seed_gives_the_same_numbers() -> None:
    one, other = (simulation.one_slow("least request", 3.0) for _ in range(2))
    assert one.latencies == other.latencies and one.latencies


def test_policies_by_load_avoid_the_slow_one() -> None:
    worst, better, best = (
        simulation.one_slow(picker, 10.0, rate=750.0).percentile(0.99)
        for picker in ("round robin", "least request", "peak EWMA")
    )
    assert best < better < worst
    assert best < worst / 2


def test_hedging_cuts_the_tail_for_a_few_calls_more() -> None:
    (plain, _), (hedged, _) = simulation.stalling(None, 8.0), simulation.stalling(Hedging(), 8.0)
    assert hedged.percentile(0.999) < plain.percentile(0.999) / 2
    assert hedged.attempts < hedged.calls * 1.08


def test_every_call_ends_and_every_node_is_given_back() -> None:
    run, _ = simulation.stalling(Hedging(delay=0.02), 2.0)
    assert len(run.latencies) > run.calls * 0.98


@pytest.mark.parametrize("log", [False, True])
def test_charts_are_well_formed(log: bool) -> None:
    chart = Chart("title", "x", "y", {"a": [(1, 10), (100, 2500)], "b": [(1, 3)]}, log_x=log, log_y=log)
    assert len(ElementTree.fromstring(chart.svg()).findall("{*}polyline")) == 2


def test_an_experiment_that_others_published() -> None:
    for picker, theirs in published.THEIRS.items():
        assert abs(published.experiment(picker, 20.0) - theirs) < 0.7


def test_a_limit_that_adapts_saves_a_service_that_has_too_much_to_do() -> None:
    scene = overload.SCENES["overload"]
    assert overload.run(scene, overload.LIMITERS["no limit"], 2.0).answered < 10
    assert overload.run(scene, overload.LIMITERS["adaptive"], 2.0).answered > 90
