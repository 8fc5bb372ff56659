"""Checks and config entries over a restart of an agent that keeps what it has."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muster.agent import Agent
from muster.agent.settings import Settings

pytestmark = pytest.mark.anyio


def kept(folder: Path, *, scripts: bool) -> Callable[[], Settings]:
    return lambda: Settings(http="127.0.0.1:0", node="n", data_dir=folder, enable_script_checks=scripts)


async def checks(ask: Any, agent: Agent) -> Any:
    return (await ask(agent.address, "GET", "/v1/agent/checks")).json


async def test_programs_of_before_are_run_only_if_that_is_still_allowed(tmp_path: Path, ask: Any) -> None:
    marker, data = tmp_path / "ran", tmp_path / "data"
    check = {"Name": "c", "Args": ["touch", str(marker)], "Interval": "1s"}
    async with Agent.configured(kept(data, scripts=True)) as agent, asyncio.timeout(30):
        assert (await ask(agent.address, "PUT", "/v1/agent/check/register", check)).status == 200
        while (await checks(ask, agent))["c"]["Status"] != "passing":
            await asyncio.sleep(0.02)
    marker.unlink()
    async with Agent.configured(kept(data, scripts=False)) as agent:
        found = (await checks(ask, agent))["c"]
        assert found["Status"] == "critical" and "Scripts are disabled" in found["Output"]
    assert not marker.exists()
    async with Agent.configured(kept(data, scripts=True)) as agent, asyncio.timeout(30):
        while not marker.exists():
            await asyncio.sleep(0.02)


async def test_config_entries_aliases_and_autopilot_are_there_again(tmp_path: Path, ask: Any) -> None:
    entry = {"Kind": "proxy-defaults", "Name": "global", "Config": {"a": {"b": [1, 2.5, None]}}}
    service = {"Name": "web", "Ports": [{"Name": "http", "Port": 80}], "Check": {"AliasNode": "n"}}
    async with Agent.configured(kept(tmp_path, scripts=False)) as agent:
        for path, body in (
            ("/v1/config", entry),
            ("/v1/agent/service/register", service),
            ("/v1/operator/autopilot/configuration", {"MaxTrailingLogs": 7}),
        ):
            assert (await ask(agent.address, "PUT", path, body)).status == 200
        before = await ask(agent.address, "GET", "/v1/config/proxy-defaults/global")
    async with Agent.configured(kept(tmp_path, scripts=False)) as agent, asyncio.timeout(30):
        after = await ask(agent.address, "GET", "/v1/config/proxy-defaults/global")
        assert after.json == before.json
        assert (await ask(agent.address, "GET", "/v1/agent/service/web")).json["Ports"] == service["Ports"]
        autopilot = (await ask(agent.address, "GET", "/v1/operator/autopilot/configuration")).json
        assert autopilot["MaxTrailingLogs"] == 7
        while (await checks(ask, agent))["service:web"]["Status"] != "passing":
            await asyncio.sleep(0.01)
