"""A configuration at the start of an agent, and read again while it runs."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from muster.agent import Agent
from muster.agent.settings import Limits, Settings
from muster.model.errors import BadConfiguration
from muster.registry.consul import wire

pytestmark = pytest.mark.anyio

RELOAD = "/v1/agent/reload"
HERE = Settings(http="127.0.0.1:0", node="n")


class Configuration:
    """What the next reading finds: settings, or what is wrong with them."""

    def __init__(self, says: Settings | BadConfiguration) -> None:
        self.says = says

    def __call__(self) -> Settings:
        if isinstance(self.says, Settings):
            return self.says
        raise self.says


def service(name: str, port: int = 0, **more: Any) -> wire.ServiceRegistration:
    return wire.ServiceRegistration(name=name, port=port, **more)


def beat(status: str = "") -> wire.ServiceCheck:
    return wire.ServiceCheck(ttl="1h", status=status)


async def test_what_is_defined_is_there_from_the_first_answer(ask: Any) -> None:
    disk = wire.CheckRegistration(name="disk", ttl="1h", status="warning")
    db = wire.CheckRegistration(id="db", name="db", ttl="1h", service_id="web")
    wanted = replace(HERE, services=(service("web", 80, check=beat("passing")),), checks=(disk, db))
    async with Agent.configured(lambda: wanted) as agent:
        (entry,) = (await ask(agent.address, "GET", "/v1/health/service/web")).json
    statuses = {check["CheckID"]: check["Status"] for check in entry["Checks"]}
    assert entry["Service"]["Port"] == 80
    assert statuses == {"serfHealth": "passing", "disk": "warning", "service:web": "passing", "db": "critical"}


async def test_the_node_is_as_told(ask: Any) -> None:
    uuid = "9c64d8b2-5f3c-4b2e-9b62-0c6c0f0a7f11"
    wanted = replace(HERE, node_id=uuid, node_meta={"rack": "r7"}, address="10.0.0.7", datacenter="east")
    async with Agent.configured(lambda: wanted) as agent:
        (node,) = (await ask(agent.address, "GET", "/v1/catalog/nodes?node-meta=rack:r7")).json
        about = (await ask(agent.address, "GET", "/v1/agent/self")).json
    assert (node["ID"], node["Node"], node["Address"], node["Datacenter"]) == (uuid, "n", "10.0.0.7", "east")
    assert (about["Config"]["NodeID"], about["Meta"]["rack"]) == (uuid, "r7")


async def test_a_reload_adds_changes_and_removes(ask: Any) -> None:
    configuration = Configuration(replace(HERE, services=(service("stays", 1), service("goes"), service("moves", 1))))
    async with Agent.configured(configuration) as agent:
        await ask(agent.address, "PUT", "/v1/agent/service/register", {"Name": "a client's"})
        configuration.says = replace(HERE, services=(service("stays", 1), service("moves", 2), service("comes")))
        assert (await ask(agent.address, "PUT", RELOAD)).status == 200
        ports = {
            name: row["Port"] for name, row in (await ask(agent.address, "GET", "/v1/agent/services")).json.items()
        }
    assert ports == {"stays": 1, "moves": 2, "comes": 0, "a client's": 0}


async def test_checks_come_change_and_go_too(ask: Any) -> None:
    def checks(*names: str, status: str = "passing") -> tuple[wire.CheckRegistration, ...]:
        return tuple(wire.CheckRegistration(name=name, ttl="1h", status=status) for name in names)

    web = service("web", checks=[beat(), wire.ServiceCheck(check_id="other", ttl="1h")])
    configuration = Configuration(replace(HERE, services=(web,), checks=checks("a", "b")))
    async with Agent.configured(configuration) as agent:
        configuration.says = replace(HERE, services=(service("web", check=beat()),), checks=checks("b", "c"))
        await ask(agent.address, "PUT", RELOAD)
        assert set((await ask(agent.address, "GET", "/v1/agent/checks")).json) == {"b", "c", "service:web"}


async def test_what_is_as_it_was_keeps_its_state_and_wakes_nobody(ask: Any) -> None:
    configuration = Configuration(replace(HERE, services=(service("web", check=beat()),)))
    async with Agent.configured(configuration) as agent:
        await ask(agent.address, "PUT", "/v1/agent/check/pass/service:web")
        before = await ask(agent.address, "GET", "/v1/health/service/web?passing")
        assert len(before.json) == 1
        await ask(agent.address, "PUT", RELOAD)
        assert (await ask(agent.address, "GET", "/v1/health/service/web?passing")).index == before.index


async def test_what_a_client_deregistered_is_back(ask: Any) -> None:
    configuration = Configuration(replace(HERE, services=(service("web"),)))
    async with Agent.configured(configuration) as agent:
        await ask(agent.address, "PUT", "/v1/agent/service/deregister/web")
        assert (await ask(agent.address, "GET", "/v1/agent/services")).json == {}
        await ask(agent.address, "PUT", RELOAD)
        assert list((await ask(agent.address, "GET", "/v1/agent/services")).json) == ["web"]


async def test_what_was_defined_before_a_restart_goes_with_its_definition(tmp_path: Path, ask: Any) -> None:
    kept = replace(HERE, data_dir=tmp_path)
    disk = wire.CheckRegistration(name="disk", ttl="1h")
    before = replace(kept, services=(service("stays", check=beat()), service("goes")), checks=(disk,))
    async with Agent.configured(lambda: before) as agent:
        await ask(agent.address, "PUT", "/v1/agent/service/register", {"Name": "a client's"})
        await ask(agent.address, "PUT", "/v1/agent/check/pass/service:stays")
    async with Agent.configured(lambda: replace(kept, services=(service("stays", check=beat()),))) as agent:
        assert set((await ask(agent.address, "GET", "/v1/agent/services")).json) == {"stays", "a client's"}
        checks = (await ask(agent.address, "GET", "/v1/agent/checks")).json
        assert {check_id: check["Status"] for check_id, check in checks.items()} == {"service:stays": "passing"}
    async with Agent.configured(lambda: kept) as agent:
        assert set((await ask(agent.address, "GET", "/v1/agent/services")).json) == {"a client's"}


async def test_a_broken_configuration_leaves_everything_as_it_was(ask: Any) -> None:
    configuration = Configuration(replace(HERE, services=(service("web"),)))
    async with Agent.configured(configuration) as agent:
        configuration.says = BadConfiguration("x.json:1:1: no JSON")
        refused = await ask(agent.address, "PUT", RELOAD)
        assert (refused.status, refused.text) == (500, "x.json:1:1: no JSON")
        with pytest.raises(BadConfiguration):
            agent.reload()
        assert list((await ask(agent.address, "GET", "/v1/agent/services")).json) == ["web"]
        configuration.says = HERE
        assert (await ask(agent.address, "PUT", RELOAD)).status == 200
        assert (await ask(agent.address, "GET", "/v1/agent/services")).json == {}


async def test_limits_are_in_force_at_once(ask: Any) -> None:
    configuration = Configuration(HERE)
    async with Agent.configured(configuration) as agent:
        assert (await ask(agent.address, "PUT", "/v1/kv/a", b"12345")).status == 200
        configuration.says = replace(HERE, limits=Limits(kv_max_value_size=4, max_blocked_queries=0))
        agent.reload()
        refused = await ask(agent.address, "PUT", "/v1/kv/a", b"12345")
        assert (refused.status, refused.text[:48]) == (413, "Request body(5 bytes) too large, max size: 4 byt")
        operation = {"KV": {"Verb": "set", "Key": "a", "Value": "MTIzNDU="}}
        assert (await ask(agent.address, "PUT", "/v1/txn", [operation])).status == 413
        index = (await ask(agent.address, "GET", "/v1/catalog/nodes")).index
        assert (await ask(agent.address, "GET", f"/v1/catalog/nodes?index={index}")).status == 503


async def test_what_only_a_restart_changes_is_named(caplog: pytest.LogCaptureFixture) -> None:
    configuration = Configuration(HERE)
    async with Agent.configured(configuration) as agent:
        address = agent.address
        configuration.says = replace(HERE, http="127.0.0.1:1", datacenter="east", log_level="debug")
        with caplog.at_level(logging.WARNING, "muster.agent"):
            agent.reload()
        assert agent.address == address
    (record,) = caplog.records
    assert "new http, datacenter: that needs a restart" in record.getMessage()


async def test_an_agent_without_a_configuration_has_nothing_to_read(agent: Agent, ask: Any) -> None:
    assert (await ask(agent.address, "PUT", RELOAD)).status == 200
    agent.reload()
