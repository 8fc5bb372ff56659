"""What the author of a service runs."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from muster.serve import hooks as run
from muster.serve.within import within
from muster.testing.clock import VirtualTimeLoop

pytestmark = pytest.mark.anyio


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


async def test_plain_and_async_hooks_run_in_order() -> None:
    ran: list[str] = []

    async def second() -> None:
        await asyncio.sleep(1)
        ran.append("second")

    await run.start([lambda: ran.append("first"), second, lambda: ran.append("third")])
    assert ran == ["first", "second", "third"]


async def test_a_start_ends_with_the_first_hook_that_raises() -> None:
    ran: list[str] = []

    def fail() -> None:
        raise OSError("no database")

    with pytest.raises(OSError, match="no database"):
        await run.start([fail, lambda: ran.append("second")])
    assert ran == []


async def test_a_stop_runs_every_hook_and_returns_what_went_wrong() -> None:
    ran: list[str] = []

    async def fail() -> None:
        raise OSError("cannot flush")

    failures = await run.stop([fail, lambda: ran.append("second")], 1.0)
    assert ran == ["second"]
    assert [str(failure) for failure in failures] == ["cannot flush"]


async def test_the_hooks_of_a_stop_share_their_time() -> None:
    ran: list[str] = []

    async def slow() -> None:
        await asyncio.sleep(60)

    async def quick() -> None:
        ran.append("quick")

    began = asyncio.get_running_loop().time()
    failures = await run.stop([slow, quick, slow], 2.0)
    assert asyncio.get_running_loop().time() - began == pytest.approx(2.0, abs=0.01)
    assert [type(failure) for failure in failures] == [TimeoutError, TimeoutError]
    assert ran == ["quick"]


async def test_a_register_check_fails_by_raising_or_by_false() -> None:
    def disk_space() -> bool:
        return False

    await run.gate([lambda: True, lambda: None])
    with pytest.raises(AssertionError, match=r"disk_space returned False"):
        await run.gate([disk_space])
    with pytest.raises(OSError, match="no database"):
        await run.gate([lambda: None, _no_database])


async def _no_database() -> None:
    raise OSError("no database")


async def test_a_time_limit_in_a_task_that_is_being_cancelled() -> None:
    """As a stop is. asyncio.timeout of Python 3.11.2 raises CancelledError there."""
    outcome: list[type[BaseException]] = []

    async def stop() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            try:
                async with within(1.0):
                    await asyncio.sleep(60)
            except BaseException as error:
                outcome.append(type(error))

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(stop())
        await asyncio.sleep(1)
        task.cancel()
    assert outcome == [TimeoutError]


async def test_a_time_limit_lets_a_new_cancellation_through() -> None:
    outcome: list[type[BaseException]] = []

    async def stop() -> None:
        try:
            async with within(60.0):
                await asyncio.sleep(60)
        except BaseException as error:
            outcome.append(type(error))

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(stop())
        await asyncio.sleep(1)
        task.cancel()
    assert outcome == [asyncio.CancelledError]
