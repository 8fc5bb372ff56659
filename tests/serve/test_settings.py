"""What the environment has to say about a service's timing."""

from __future__ import annotations

import pytest

from muster.model.errors import BadConfiguration
from muster.serve.settings import Timing, timing_of


@pytest.mark.parametrize(
    ("given", "said", "meant"),
    [
        (Timing(), "", Timing()),
        (Timing(), "0", Timing(drain=0.0, stop=2.5)),
        (Timing(), "10", Timing(drain=10.0, stop=12.5)),
        (Timing(beat=3.0, drain=5.0, stop=5.0), "0.5", Timing(beat=3.0, drain=0.5, stop=0.5)),
    ],
)
def test_the_drain_is_the_environments_and_the_rest_of_the_stop_stays(given: Timing, said: str, meant: Timing) -> None:
    assert timing_of(given, {"MUSTER_DRAIN": said}) == meant
    assert timing_of(given, {}) == given


@pytest.mark.parametrize("said", ["2s", "-1", "nan", "inf"])
def test_what_is_no_time(said: str) -> None:
    with pytest.raises(BadConfiguration, match=f"MUSTER_DRAIN is '{said}'"):
        timing_of(Timing(), {"MUSTER_DRAIN": said})
