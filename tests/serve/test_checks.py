"""Checks of a service's author: in virtual time, and on threads."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from muster.model.check import CheckState, Health
from muster.model.errors import BadConfiguration
from muster.serve.checks import MOST, Checks, Result, UserCheck, level_of, printable, result_of
from muster.testing.clock import VirtualTimeLoop

pytestmark = pytest.mark.anyio


@pytest.fixture
def real_time() -> None:
    """For tests whose checks run on threads."""


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, Any]]:
    return "asyncio", {} if "real_time" in request.fixturenames else {"loop_factory": VirtualTimeLoop}


class Database:
    """A check whose outcome is what it was told last."""

    def __init__(self) -> None:
        self.asked = 0
        self.answer: Callable[[], object] = lambda: None

    async def __call__(self) -> object:
        self.asked += 1
        return self.answer()


def refuse() -> object:
    raise OSError("refused")


def said(checks: Checks) -> list[tuple[str, str, str]]:
    return [(each.state.name, str(each.state.health), each.state.output) for each in checks.results.value]


async def test_a_check_is_made_every_so_often_and_its_findings_are_kept() -> None:
    database = Database()
    checks = Checks([UserCheck("database", database, every=10.0)])
    assert said(checks) == [("database", "critical", "it has not ended yet")]
    async with checks.running():
        await checks.made.wait()
        assert said(checks) == [("database", "passing", "")]
        database.answer = refuse
        await asyncio.sleep(10.1)
        assert said(checks) == [("database", "critical", "OSError: refused")]
        database.answer = lambda: False
        await asyncio.sleep(10.1)
        assert said(checks) == [("database", "critical", "it returned False")]
        database.answer = lambda: True
        await asyncio.sleep(10.1)
        assert said(checks) == [("database", "passing", "")]
        assert database.asked == 4
    await asyncio.sleep(60)
    assert database.asked == 4


async def test_a_warning_is_what_was_asked_for() -> None:
    checks = Checks([UserCheck("disk", lambda: asyncio.sleep(0), level=Health.WARNING)])
    assert checks.results.value[0].state.health is Health.WARNING


async def test_a_check_that_never_ends_has_failed_and_is_cancelled() -> None:
    began, cancelled = 0, 0

    async def hang() -> None:
        nonlocal began, cancelled
        began += 1
        try:
            await asyncio.get_running_loop().create_future()
        finally:
            cancelled += 1

    checks = Checks([UserCheck("database", hang, every=10.0, timeout=5.0)])
    async with checks.running():
        await checks.made.wait()
        assert asyncio.get_running_loop().time() == pytest.approx(5.0, abs=0.01)
        assert said(checks) == [("database", "critical", "no answer within 5 s")]
        await asyncio.sleep(60)
        assert began >= 4
        assert began - 1 <= cancelled <= began


async def test_a_stop_cancels_the_check_under_way() -> None:
    began = asyncio.Event()

    async def hang() -> None:
        began.set()
        await asyncio.get_running_loop().create_future()

    checks = Checks([UserCheck("database", hang, timeout=1000.0)])
    async with asyncio.timeout(1), checks.running():
        await began.wait()


async def test_a_check_that_does_not_heed_being_cancelled_is_not_begun_again() -> None:
    began = 0
    release = asyncio.Event()

    async def stubborn() -> None:
        nonlocal began
        began += 1
        while not release.is_set():
            try:
                await release.wait()
            except asyncio.CancelledError:
                continue

    checks = Checks([UserCheck("database", stubborn, every=10.0, timeout=1.0)])
    async with checks.running():
        await asyncio.sleep(60)
        assert (began, said(checks)) == (1, [("database", "critical", "no answer within 1 s")])
        release.set()
        await asyncio.sleep(20)
        assert said(checks) == [("database", "passing", "")]


async def test_one_that_is_slow_does_not_hold_up_the_others() -> None:
    database = Database()

    async def sleepy() -> None:
        await asyncio.sleep(4)

    checks = Checks([UserCheck("slow", sleepy), UserCheck("database", database, every=1.0)])
    async with checks.running():
        await asyncio.sleep(3.9)
        assert database.asked >= 4
        assert not checks.made.is_set()
        assert [status for _, status, _ in said(checks)] == ["critical", "passing"]
        await checks.made.wait()


async def test_what_is_not_async_runs_on_a_thread(real_time: None) -> None:
    threads: list[threading.Thread] = []

    def blocking() -> bool:
        threads.append(threading.current_thread())
        return False

    def coroutine_by_mistake() -> object:
        return asyncio.sleep(0)

    checks = Checks([UserCheck("blocking", blocking), UserCheck("mistake", coroutine_by_mistake)])
    async with checks.running(), asyncio.timeout(30):
        await checks.made.wait()
    assert said(checks) == [
        ("blocking", "critical", "it returned False"),
        ("mistake", "critical", "it returned a coroutine: write it with 'async def'"),
    ]
    assert threads[0] is not threading.main_thread() and threads[0].daemon


async def test_a_thread_that_never_returns_is_the_only_one(real_time: None) -> None:
    release, begun = threading.Event(), 0

    def hang() -> None:
        nonlocal begun
        begun += 1
        release.wait(60)

    database, enough = Database(), asyncio.Event()
    database.answer = lambda: enough.set() if database.asked == 10 else None
    quick: Any = {"every": 0.02, "timeout": 0.02}
    checks = Checks([UserCheck("disk", hang, **quick), UserCheck("database", database, **quick)])
    async with checks.running(), asyncio.timeout(30):
        await enough.wait()
        await checks.made.wait()
        assert begun == 1
        assert said(checks)[0] == ("disk", "critical", "no answer within 0.02 s")
        release.set()
        while said(checks)[0] != ("disk", "passing", ""):
            await asyncio.sleep(0.01)


async def test_a_stop_does_not_wait_for_a_thread(real_time: None) -> None:
    release = threading.Event()
    checks = Checks([UserCheck("disk", lambda: release.wait(60))])
    async with asyncio.timeout(30), checks.running():
        pass
    release.set()


@pytest.mark.parametrize(
    ("before", "failure", "health", "since"),
    [
        (Result(CheckState("db", Health.CRITICAL), 5.0, ended=False), "gone", Health.CRITICAL, 9.0),
        (Result(CheckState("db", Health.CRITICAL), 5.0), "gone", Health.CRITICAL, 5.0),
        (Result(CheckState("db", Health.CRITICAL), 5.0), None, Health.PASSING, 9.0),
        (Result(CheckState("db", Health.PASSING), 5.0), None, Health.PASSING, 5.0),
    ],
)
def test_since_when(before: Result, failure: str | None, health: Health, since: float) -> None:
    result = result_of(UserCheck("db", refuse), failure, before, 9.0)
    assert (result.state.health, result.since) == (health, since)


def test_what_a_check_says_fits_on_a_line() -> None:
    assert printable("a\nb\t\x00c") == "a b c"
    assert len(printable("x" * 10_000)) == MOST


@pytest.mark.parametrize("options", [{"every": 0.0}, {"timeout": -1.0}, {"every": float("nan")}])
def test_times_that_cannot_be(options: Any) -> None:
    with pytest.raises(BadConfiguration, match=r"every and timeout must be above 0|every=nan.: expected a number"):
        UserCheck("db", refuse, **options)


def test_levels_that_cannot_be() -> None:
    with pytest.raises(BadConfiguration, match="'critical' or 'warning'"):
        level_of("passing")
    with pytest.raises(BadConfiguration, match="'critical' or 'warning'"):
        UserCheck("db", refuse, level=Health.PASSING)
