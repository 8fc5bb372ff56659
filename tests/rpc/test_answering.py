"""What the caller of a handler's method is told of what it raised."""

from __future__ import annotations

import pytest

from muster.model.errors import Fault
from muster.rpc.answering import Answering
from muster.rpc.contract import operations

pytestmark = pytest.mark.anyio

MISTAKES = {
    "lower": Fault("not_found", "nobody of that name"),
    "forgotten": Fault("nobody of that name"),
    "success": Fault("OK", "nobody of that name"),
}


class Say:
    async def hello(self, name: str) -> str:
        raise MISTAKES.get(name) or Fault("NOT_FOUND", "nobody of that name")


async def told(name: str) -> Fault:
    (operation,) = operations(Say)
    answering = Answering(operation, "/greeter.Say/Hello", Say())
    with pytest.raises(Fault) as raised:
        await answering.once((name,))
    return raised.value


async def test_a_fault_is_the_callers(caplog: pytest.LogCaptureFixture) -> None:
    fault = await told("world")
    assert (fault.code, fault.detail) == ("NOT_FOUND", "nobody of that name")
    assert not caplog.records


@pytest.mark.parametrize("name", MISTAKES)
async def test_a_code_that_nobody_knows_is_logged_and_the_text_is_kept(
    name: str, caplog: pytest.LogCaptureFixture
) -> None:
    fault = await told(name)
    assert (fault.code, fault.detail) == ("UNKNOWN", "nobody of that name")
    assert repr(MISTAKES[name].code) in caplog.text
