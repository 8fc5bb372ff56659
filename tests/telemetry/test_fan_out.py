from __future__ import annotations

import pytest

from muster.model.events import Event, WatchEnded
from muster.telemetry import fan_out


def test_every_observer_is_told_also_behind_one_that_raises(caplog: pytest.LogCaptureFixture) -> None:
    seen: list[Event] = []

    def broken(event: Event) -> None:
        raise ZeroDivisionError

    fan_out(broken, seen.append)(WatchEnded("a"))
    assert seen == [WatchEnded("a")]
    assert "broken" in caplog.text
    assert "ZeroDivisionError" in caplog.text


def test_none_is_fine() -> None:
    fan_out()(WatchEnded("a"))
