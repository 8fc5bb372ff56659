"""Writing past the agents: nodes, instances and checks, and how they look afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from tests.asking import waiting_at

pytestmark = pytest.mark.anyio

REGISTER, DEREGISTER = "/v1/catalog/register", "/v1/catalog/deregister"
NODE = {"Node": "ext-1", "Address": "10.1.0.1"}
NODE_ID = "11111111-2222-3333-4444-555555555555"

REFUSED: list[Any] = [
    "",
    "{",
    {},
    {"Node": "ext-1"},
    {"Address": "10.1.0.1"},
    NODE | {"X": 1},
    NODE | {"node_meta": {}},
    NODE | {"Datacenter": "elsewhere"},
    NODE | {"ID": "abc"},
    NODE | {"ID": "x" * 36},
    NODE | {"Service": {"ID": "x"}},
    NODE | {"Service": {"Service": "x", "enable_tag_override": True}},
    NODE | {"Service": {"Service": "x", "Kind": "connect-proxy"}},
    NODE | {"Check": {"CheckID": "c", "ServiceID": "nope"}},
    NODE | {"Check": {"CheckID": "c", "Node": "other"}},
    NODE | {"Check": {"Status": "passing"}},
    NODE | {"Checks": [{"CheckID": "c"}, {"Status": "passing"}]},
    NODE | {"Checks": [{"Status": "passing"}, {"CheckID": "c", "ServiceID": "nope"}]},
    NODE | {"Check": {"ServiceID": "nope"}},
    NODE | {"Service": {"Service": "x"}, "Check": {"ServiceID": "x"}},
]

WRITES: list[dict[str, Any]] = [
    NODE,
    {"Node": "EXT-1", "Address": "10.1.0.2", "NodeMeta": {"a": "b"}, "TaggedAddresses": {"lan": "10.1.0.3"}},
    NODE | {"NodeMeta": {"rack": "r1"}, "Service": {"Service": "ext-db", "Port": 5}},
    NODE
    | {"SkipNodeUpdate": True, "Service": {"Service": "ext-db", "ID": "ext-db-2", "Tags": ["p"], "Meta": {"k": "v"}}},
    NODE | {"Service": {"Service": "ext-db", "ID": "ext-db-3", "Address": "10.1.0.9", "Weights": {"Passing": 3}}},
    NODE | {"NodeMeta": {"rack": "r1"}, "Check": {"Name": "c1", "Status": "passing"}},
    NODE | {"Checks": [{"CheckID": "c2"}, {"CheckID": "c3", "ServiceID": "ext-db", "Status": "warning", "Notes": "n"}]},
    NODE | {"Check": {"CheckID": "c4", "Status": "odd", "Definition": {"HTTP": "http://x", "Interval": "90s"}}},
    NODE | {"Check": {"CheckID": "c5", "definition": {"TCP": "x:1", "interval": 10}}},
    NODE
    | {
        "Service": {
            "Service": "ext-px",
            "Kind": "connect-proxy",
            "Port": 1,
            "Proxy": {"DestinationServiceName": "ext-db"},
        }
    },
    NODE | {"Service": {"Service": "ext-nat", "Connect": {"Native": True}}},
    {"Node": "ext-2", "Address": "10.1.0.2", "SkipNodeUpdate": True, "Service": {"Service": "ext-db"}},
    {"Node": "ext-3", "Address": "10.1.0.3", "ID": NODE_ID, "Service": {"Service": "ext-named"}},
    {"Node": "ext-4", "Address": "10.1.0.3", "ID": NODE_ID},
]

READS = [
    "/v1/catalog/node/ext-1",
    "/v1/catalog/node/EXT-1?filter=Port==5",
    "/v1/catalog/node-services/ext-1",
    "/v1/catalog/node-services/ext-1?filter=ID+matches+2",
    "/v1/catalog/node/ext-4",
    "/v1/health/node/ext-1",
    "/v1/health/node/ext-1?filter=Status==passing",
    "/v1/health/service/ext-db",
    "/v1/health/service/ext-db?passing",
    "/v1/health/service/ext-db?near=ext-2&tag=p",
    "/v1/health/service/ext-db?node-meta=rack:r1",
    "/v1/health/service/ext-named",
    "/v1/health/checks/ext-db",
    "/v1/health/state/odd",
    "/v1/catalog/service/ext-db",
    "/v1/catalog/connect/ext-db",
    "/v1/catalog/connect/EXT-NAT",
    "/v1/health/connect/ext-db?passing",
    "/v1/health/connect/ext-nat",
]

REMOVALS: list[Any] = [
    "",
    {},
    {"Node": "nope"},
    {"Node": "ext-1", "X": 1},
    {"Node": "ext-1", "Datacenter": "elsewhere"},
    {"Node": "ext-1", "ServiceID": "nope"},
    {"Node": "ext-1", "CheckID": "nope"},
    {"Node": "ext-1", "CheckID": "c1"},
    {"Node": "ext-1", "ServiceID": "ext-px"},
    {"Node": "EXT-1", "ServiceID": "ext-db", "CheckID": "c2"},
    {"Node": "ext-1"},
    {"Node": "ext-2"},
    {"Node": "ext-4"},
]


async def test_what_is_written_past_the_agents_looks_the_same(both: Any) -> None:
    try:
        for body in REFUSED:
            status, _, _ = await both.ask("PUT", REGISTER, body)
            assert status in (400, 500)
        for body in WRITES:
            assert (await both.ask("PUT", REGISTER, body))[0] == 200
        for path in READS:
            await both.ask("GET", path)
        for body in REMOVALS:
            await both.ask("PUT", DEREGISTER, body)
            await both.ask("GET", "/v1/health/node/ext-1")
        await both.ask("GET", "/v1/catalog/nodes?filter=Node+matches+ext")
    finally:
        for node in ("ext-1", "ext-2", "ext-3", "ext-4"):
            await both.each("PUT", DEREGISTER, {"Node": node})


async def test_names_that_differ_in_case_alone_are_one_service_and_are_listed_apart(both: Any) -> None:
    for number, name in enumerate(("Case", "case", "CASE", "case")):
        service = {"Service": name, "ID": f"case{number}", "Tags": [f"t{number}"]}
        await both.ask("PUT", REGISTER, {"Node": f"ext-{number}", "Address": "10.1.0.1", "Service": service})
    real, ours = await both.each("GET", "/v1/catalog/services")
    assert both.comparable(ours)[1] == both.comparable(real)[1]
    listed = [{name: sorted(tags) for name, tags in reply.json.items() if name != "consul"} for reply in (real, ours)]
    assert listed[0] == listed[1] == {"CASE": ["t2"], "Case": ["t0"], "case": ["t1", "t3"]}
    for path in ("/v1/catalog/service/cAse", "/v1/health/service/cAse"):
        await both.ask("GET", path)
    real, ours = await both.each("GET", "/v1/internal/ui/services")
    assert summaries(ours.json) == summaries(real.json)


def summaries(services: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**each, "Nodes": sorted(each["Nodes"])} for each in services if each["Name"] != "consul"]


async def test_services_are_those_of_the_nodes_with_the_metadata_that_is_asked_for(both: Any) -> None:
    for name in ("one", "two"):
        body = {"Node": f"ext-{name}", "Address": "10.1.0.1", "NodeMeta": {"row": name}, "Service": {"Service": name}}
        await both.ask("PUT", REGISTER, body)
    for wanted, found in (("row:one", {"one": []}), ("row:two", {"two": []}), ("row:three", {})):
        assert (await both.ask("GET", f"/v1/catalog/services?node-meta={wanted}"))[2] == found


async def test_the_name_of_a_living_node_is_not_given_away(both: Any) -> None:
    real, ours = await both.each("GET", "/v1/agent/self")
    body = {"Node": ours.json["Config"]["NodeName"], "Address": "10.1.0.1", "ID": NODE_ID}
    assert real.json["Config"]["NodeName"] == body["Node"]
    await both.ask("PUT", REGISTER, body)


async def test_what_the_agent_looks_after_is_put_back(agent: Any, ask: Any) -> None:
    service = {"Name": "kept", "Check": {"TTL": "60s", "Status": "passing"}}
    await ask(agent.address, "PUT", "/v1/agent/service/register", service)
    nodes = (await ask(agent.address, "GET", "/v1/catalog/nodes")).json
    before = (await ask(agent.address, "GET", "/v1/health/service/kept")).json
    for what in ({}, {"ServiceID": "kept"}, {"CheckID": "service:kept"}):
        await ask(agent.address, "PUT", DEREGISTER, {"Node": nodes[0]["Node"], **what})
        after = (await ask(agent.address, "GET", "/v1/health/service/kept")).json
        assert [entry["Checks"][1]["Status"] for entry in after] == ["passing"]
        assert after[0]["Checks"][0]["CheckID"] == before[0]["Checks"][0]["CheckID"] == "serfHealth"


async def test_a_node_wakes_those_who_watch_it(agent: Any, ask: Any) -> None:
    async def watched(path: str, body: Any, change: str = REGISTER) -> Any:
        index = (await ask(agent.address, "GET", path)).index
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(ask(agent.address, "GET", f"{path}?index={index}&wait=20s"))
            await waiting_at(ask, agent.address)
            await ask(agent.address, "PUT", change, body)
        assert waiting.result().index > index
        return waiting.result().json

    node = {"Node": "w", "Address": "10.0.0.1"}
    proxy = {"Service": "px", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "db"}}
    assert (await watched("/v1/catalog/node/w", node))["Services"] == {}
    assert len((await watched("/v1/catalog/node-services/w", node | {"Service": {"Service": "s"}}))["Services"]) == 1
    assert len(await watched("/v1/health/node/w", node | {"Check": {"CheckID": "c"}})) == 1
    assert len(await watched("/v1/health/connect/db", node | {"Service": proxy})) == 1
    assert (await watched("/v1/catalog/node/w", {"Node": "w"}, DEREGISTER)) is None
