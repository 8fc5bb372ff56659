"""What a real Consul does otherwise."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"


async def test_deviations_on_purpose(agent: Any, ask: Any) -> None:
    """A real Consul runs alias checks, and crashes on a null among the checks."""
    alias = {"Name": "x", "Check": {"AliasService": "y"}}
    assert (await ask(agent.address, "PUT", REGISTER, alias)).status == 500
    null = '{"Name":"x","Checks":[null]}'
    assert (await ask(agent.address, "PUT", REGISTER, null)).status == 400
    assert (await ask(agent.address, "GET", "/v1/agent/services")).json == {}
