"""Full jitter, bounded."""

from __future__ import annotations

from random import Random

import pytest

from muster.model.backoff import Backoff


@pytest.mark.parametrize(("failures", "bound"), [(1, 0.1), (2, 0.2), (3, 0.4), (7, 6.4), (8, 10.0), (10_000, 10.0)])
def test_the_bound_doubles_up_to_the_maximum(failures: int, bound: float) -> None:
    assert Backoff(initial=0.1, maximum=10.0).bound(failures) == pytest.approx(bound)


def test_pauses_spread_over_the_whole_bound() -> None:
    rng = Random(1)
    pauses = [Backoff().pause(8, rng) for _ in range(2000)]
    assert min(pauses) < 0.1 and max(pauses) > 9.9
    assert sum(pauses) / len(pauses) == pytest.approx(5.0, rel=0.05)
