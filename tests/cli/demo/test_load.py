from __future__ import annotations

import pytest

from muster.cli.demo.load import Load

pytestmark = pytest.mark.anyio


async def one() -> str:
    return "g-1"


async def broken() -> str:
    raise RuntimeError("no\nway")


async def test_every_door_is_called_and_what_it_answered_is_kept() -> None:
    load = Load({"a": one, "b": one}, rate=1000)
    async with load.running():
        assert await load.answered_by("g-1")
    assert {call.door for call in load.calls} == {"a", "b"}
    assert all(call.instance_id == "g-1" and not call.error for call in load.calls)


async def test_a_door_that_fails_is_a_call_with_an_error_not_an_end() -> None:
    load = Load({"a": one, "b": broken}, rate=1000)
    async with load.running():
        assert not await load.answered_by("g-1", limit=0.05)
    failed = [call for call in load.calls if call.door == "b"]
    assert len(failed) > 1
    assert {call.error for call in failed} == {"no way"}


async def test_the_bodys_error_comes_out_as_it_went_in() -> None:
    with pytest.raises(ZeroDivisionError):
        async with Load({"a": one}).running():
            raise ZeroDivisionError
