"""What a real Consul does otherwise."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"


async def test_a_null_among_the_checks_is_refused(agent: Any, ask: Any) -> None:
    """A real Consul crashes on it."""
    null = '{"Name":"x","Checks":[null]}'
    assert (await ask(agent.address, "PUT", REGISTER, null)).status == 400
    assert (await ask(agent.address, "GET", "/v1/agent/services")).json == {}


async def test_what_newer_consuls_know_is_taken(agent: Any, ask: Any) -> None:
    """Consul 1.8 refuses the keys."""
    service = {
        "Name": "new",
        "Ports": [{"Name": "http", "Port": 80}, {"name": "admin", "port": 81, "default": True}],
        "Checks": [
            {"H2PING": "127.0.0.1:1", "Interval": "60s", "H2PingUseTLS": False, "TLSServerName": "x"},
            {"HTTP": "http://127.0.0.1:1", "Interval": "60s", "DisableRedirects": True},
            {"TCP": "127.0.0.1:1", "Interval": "60s", "FailuresBeforeWarning": 1, "FailuresBeforeCritical": 3},
        ],
    }
    assert (await ask(agent.address, "PUT", REGISTER, service)).status == 200
    ports = [{"Name": "http", "Port": 80}, {"Name": "admin", "Port": 81, "Default": True}]
    own = (await ask(agent.address, "GET", "/v1/agent/service/new")).json
    (found,) = (await ask(agent.address, "GET", "/v1/health/service/new")).json
    (listed,) = (await ask(agent.address, "GET", "/v1/catalog/service/new")).json
    assert (own["Port"], own["Ports"]) == (found["Service"]["Port"], found["Service"]["Ports"]) == (81, ports)
    assert (listed["ServicePort"], listed["ServicePorts"]) == (81, ports)


async def test_an_alias_does_not_count_itself(agent: Any, ask: Any) -> None:
    """In a real Consul it stays critical for good."""
    await ask(agent.address, "PUT", REGISTER, {"Name": "x"})
    await ask(agent.address, "PUT", "/v1/agent/check/register", {"Name": "alias", "AliasService": "x"})
    async with asyncio.timeout(30):
        while (await ask(agent.address, "GET", "/v1/agent/checks")).json["alias"]["Status"] != "passing":
            await asyncio.sleep(0.01)


async def test_an_alias_is_critical_at_once_when_its_service_is_gone(agent: Any, ask: Any) -> None:
    """In a real Consul it sometimes stays passing for a minute."""
    steps = (
        (REGISTER, "No checks found."),
        ("/v1/agent/service/deregister/x", "Service x could not be found on node "),
    )
    await ask(agent.address, "PUT", "/v1/agent/check/register", {"Name": "alias", "AliasService": "x"})
    async with asyncio.timeout(30):
        for path, output in (*steps, *steps):
            await ask(agent.address, "PUT", path, {"Name": "x"})
            while (await ask(agent.address, "GET", "/v1/agent/checks")).json["alias"]["Output"] != output:
                await asyncio.sleep(0.01)


async def test_an_alias_of_a_node_that_is_not_there_is_critical(agent: Any, ask: Any) -> None:
    """A real Consul crashes some moments later."""
    await ask(agent.address, "PUT", "/v1/agent/check/register", {"Name": "alias", "AliasNode": "nowhere"})
    async with asyncio.timeout(30):
        while not (found := (await ask(agent.address, "GET", "/v1/agent/checks")).json["alias"])["Output"]:
            await asyncio.sleep(0.01)
    assert (found["Status"], found["Output"]) == ("critical", "Node nowhere could not be found")


async def test_a_config_entry_is_deleted_only_at_an_index_that_is_told(agent: Any, ask: Any) -> None:
    """Consul does so since 1.11; before, it ignores the index."""
    path = "/v1/config/service-defaults/web"
    await ask(agent.address, "PUT", "/v1/config", {"Kind": "service-defaults", "Name": "web"})
    index = (await ask(agent.address, "GET", path)).json["ModifyIndex"]
    assert (await ask(agent.address, "DELETE", f"{path}?cas={index - 1}")).json is False
    assert (await ask(agent.address, "DELETE", f"{path}?cas={index}")).json is True
    assert (await ask(agent.address, "GET", path)).status == 404
