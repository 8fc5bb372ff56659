"""Whether an event loop runs: what looks show, as tables, and one loop that is really blocked."""

from __future__ import annotations

import asyncio
import gc
import logging
import threading
import time
import weakref

import pytest

from muster.client.background import background
from muster.serve.watchdog import Witness, longest, looked, noted, watchdog, where

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize(
    ("looks", "silent"),
    [
        ([(1, 0.0)], 0.0),
        ([(1, 0.0), (2, 0.25), (3, 0.5)], 0.0),
        ([(1, 0.0), (1, 0.25), (1, 0.5), (1, 0.75)], 0.75),
        ([(1, 0.0), (1, 0.25), (1, 0.5), (2, 0.75)], 0.0),
        ([(1, 0.0), (1, 0.25), (2, 0.5), (2, 0.75)], 0.25),
        # The machine was suspended, or so busy that the looking thread was late itself.
        ([(1, 0.0), (1, 3600.0)], 0.5),
        ([(1, 0.0), (1, 3600.0), (2, 3600.25)], 0.0),
        ([(1, 0.0), *((1, 2.0 * look) for look in range(1, 5))], 2.0),
    ],
)
def test_what_looks_show(looks: list[tuple[int, float]], silent: float) -> None:
    seen = Witness(-1, 0.0)
    for ticks, now in looks:
        seen = looked(seen, ticks, now)
    assert seen.silent == silent


def test_what_is_kept_in_mind_of_late_ticks() -> None:
    late = noted((), 1.0, 0.05)
    assert late == ()
    late = noted(noted(late, 2.0, 0.8), 6.0, 0.3)
    assert [longest(late, now) for now in (6.0, 11.9, 12.1, 16.1)] == [0.8, 0.8, 0.3, 0.0]
    assert noted(late, 15.0, 0.2) == ((6.0, 0.3), (15.0, 0.2))


async def test_a_loop_that_is_blocked_is_seen_and_where(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "muster.serve")
    heard: list[float] = []
    over = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hear(silent: float) -> None:
        heard.append(silent)
        if not silent:
            loop.call_soon_threadsafe(over.set)

    watched = watchdog(background())
    with watched.watching(hear):
        _block(lambda: len(heard) > 4 and heard[-1] > 1.2)
        async with asyncio.timeout(30):
            await over.wait()
        assert watched.lately > 1.2
    assert heard[:-1] == sorted(heard[:-1]) and heard[0] > 0.5
    said = [record.getMessage() for record in caplog.records]
    assert "_block (test_watchdog.py:" in said[0]
    assert "runs again" in said[-1]


async def test_who_stops_watching_and_begins_again_hears_each_thing_once() -> None:
    watched = watchdog(background())
    looks: list[float] = []
    for _ in range(5):
        with watched.watching(looks.append):
            pass
    done = threading.Event()
    with watched.watching(looks.append):
        _block(lambda: len(looks) >= 3)
        background().call(done.set)
        done.wait(30)
    assert looks == sorted(set(looks))
    assert watchdog(background()) is watched


def test_it_ends_with_its_loop() -> None:
    async def watched() -> weakref.ref[object]:
        with watchdog(background()).watching(lambda silent: None):
            return weakref.ref(asyncio.get_running_loop())

    loop = asyncio.run(watched())
    gc.collect()
    assert loop() is None


def test_where_a_thread_is() -> None:
    assert where(threading.get_ident()).startswith("where (watchdog.py:")
    assert "test_where_a_thread_is" in where(threading.get_ident())
    assert where(0) == "no Python code"


def _block(enough: object) -> None:
    """Blocks the event loop until it is `enough`."""
    deadline = time.monotonic() + 10
    while not enough():  # type: ignore[operator]
        assert time.monotonic() < deadline
        time.sleep(0.05)
