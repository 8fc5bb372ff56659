"""Prepared queries, in a real Consul and in the agent."""

from __future__ import annotations

from typing import Any

import pytest
from tests.asking import ask as ask
from tests.conformance.conftest import masked

pytestmark = pytest.mark.anyio

UNKNOWN = "f004177f-2c28-83b7-4229-eacc25fe55d1"
TEMPLATE = {"Type": "name_prefix_match"}


@pytest.fixture
async def queried(both: Any, ask: Any) -> Any:
    """Both, with instances of `pq` to find, and the ids of queries that are made alike in `ids`."""
    await clear(both, ask)
    service = {"Name": "pq", "Port": 80}
    body: dict[str, Any]
    for body in (
        {**service, "ID": "pq1", "Tags": ["v1", "prod"], "Meta": {"a": "b"}},
        {**service, "ID": "pq2", "Tags": ["v2", "prod"]},
        {**service, "ID": "pq3", "Check": {"TTL": "1h", "CheckID": "sick", "Status": "critical"}},
        {**service, "ID": "pq4", "Tags": ["V2"], "Check": {"TTL": "1h", "Status": "warning"}},
        {**service, "ID": "pqc", "Name": "pqc", "Connect": {"Native": True}},
    ):
        await both.each("PUT", "/v1/agent/service/register", body)
    yield both
    await clear(both, ask)


async def clear(both: Any, ask: Any) -> None:
    for address in (both.real, both.agent):
        for query in (await ask(address, "GET", "/v1/query")).json:
            await ask(address, "DELETE", f"/v1/query/{query['ID']}")


async def make(both: Any, body: dict[str, Any]) -> tuple[str, ...]:
    """The query's id in each of the two."""
    replies = await both.each("POST", "/v1/query", body)
    assert [reply.status for reply in replies] == [200, 200], (body, replies)
    return tuple(reply.json["ID"] for reply in replies)


async def on_one(both: Any, ask: Any, method: str, ids: tuple[str, ...], path: str = "", body: Any = None) -> Any:
    """Asserts that both answer alike about a query that has another id in each."""
    replies = [
        both.comparable(await ask(address, method, f"/v1/query/{query_id}{path}", body))
        for address, query_id in zip((both.real, both.agent), ids, strict=True)
    ]
    real, ours = (
        (status, headers, str(text).replace(query_id, "ID"))
        for (status, headers, text), query_id in zip(replies, ids, strict=True)
    )
    assert ours == real, (method, path, body)
    return replies[1]


async def found(both: Any, path: str) -> list[str]:
    """The ids of the instances that both find."""
    real, ours = await both.each("GET", f"/v1/query/{path}")
    ids = [sorted(entry["Service"]["ID"] for entry in reply.json["Nodes"]) for reply in (real, ours)]
    assert ids[0] == ids[1], path
    assert {**ours.json, "Nodes": 0} == {**real.json, "Nodes": 0}
    assert both.comparable(ours)[1] == both.comparable(real)[1]
    return ids[1]


async def test_what_has_no_tags_has_null_for_them(queried: Any) -> None:
    node = {"Node": "pq-node", "Address": "10.0.0.9"}
    checks = [{"CheckID": "of-node", "Status": "passing"}, {"CheckID": "of-one", "ServiceID": "a", "Status": "passing"}]
    for each in ({"ID": "a"}, {"ID": "b", "Tags": ["t"]}):
        await queried.ask("PUT", "/v1/catalog/register", {**node, "Service": {"Service": "pq-null", **each}})
    await queried.ask("PUT", "/v1/catalog/register", {**node, "Checks": checks})
    await make(queried, {"Name": "null", "Service": {"Service": "pq-null"}})
    replies = await queried.each("GET", "/v1/query/null/execute")
    real, ours = (sorted(masked(reply.json)["Nodes"], key=lambda found: found["Service"]["ID"]) for reply in replies)
    assert ours == real
    assert [check["ServiceTags"] for check in ours[0]["Checks"]] == [None, None]


async def test_what_is_refused(queried: Any) -> None:
    await queried.ask("POST", "/v1/query", {"Name": "there", "Service": {"Service": "pq"}})
    await queried.ask("POST", "/v1/query", {"Name": "tpl", "Template": TEMPLATE, "Service": {"Service": "pq"}})
    await queried.ask("POST", "/v1/query", {"Name": "", "Template": TEMPLATE, "Service": {"Service": "${name.full}"}})
    refused: tuple[tuple[dict[str, Any], dict[str, Any]], ...] = (
        ({}, {}),
        ({}, {"Name": "a"}),
        ({"Service": "pq"}, {}),
        ({"Service": "pq"}, {"Name": "there"}),
        ({"Service": "pq"}, {"Name": "THERE"}),
        ({"Service": "pq"}, {"Name": "TPL", "Template": TEMPLATE}),
        ({"Service": "pq"}, {"Name": "", "Template": TEMPLATE}),
        ({"Service": "pq"}, {"Name": "a", "ID": UNKNOWN}),
        ({"Service": "pq"}, {"Name": "a", "Unknown": 1}),
        ({"Service": "pq", "Bad": 1}, {"Name": "a"}),
        ({"Service": "pq"}, {"Name": "a", "DNS": {"TTL": "abc"}}),
        ({"Service": "pq"}, {"Name": "a", "DNS": {"TTL": "5"}}),
        ({"Service": "pq"}, {"Name": "a", "DNS": {"TTL": "-1s"}}),
        ({"Service": "pq", "Failover": {"NearestN": -1}}, {"Name": "a"}),
        ({"Service": "pq", "NodeMeta": {"": "x"}}, {"Name": "a"}),
        ({"Service": "pq", "NodeMeta": {"a b": "x"}}, {"Name": "a"}),
        ({"Service": "pq"}, {"Name": "a", "Session": "x"}),
        ({"Service": "pq"}, {"Name": "a", "Session": UNKNOWN}),
    )
    for service, more in refused:
        await queried.ask("POST", "/v1/query", {"Service": service, **more})
    for body in ("", "garbage", []):
        await queried.ask("POST", "/v1/query", body)
    for method in ("PUT", "DELETE"):
        await queried.ask(method, "/v1/query", {})
    await queried.ask("POST", "/v1/query?dc=nowhere", {"Name": "z", "Service": {"Service": "pq"}})


async def test_a_query_is_kept_changed_and_removed(queried: Any, ask: Any) -> None:
    everything = {
        "Name": "Kept",
        "Token": "tok",
        "Service": {
            "Service": "pq",
            "Failover": {"NearestN": 3, "Datacenters": ["dc2"]},
            "OnlyPassing": True,
            "IgnoreCheckIDs": ["x"],
            "Near": "_agent",
            "Tags": ["!v1", ""],
            "NodeMeta": {"a": "b"},
            "ServiceMeta": {},
            "Connect": True,
        },
        "DNS": {"TTL": "1m"},
    }
    ids = await make(queried, everything)
    for path in ("", "?stale", "?stale&index=1", "?cached", "?dc=nowhere", "?index=x", "/explain", "/explain?stale"):
        await on_one(queried, ask, "GET", ids, path)
    await queried.ask("GET", "/v1/query?stale")
    await on_one(queried, ask, "PUT", ids, "", {"Name": "Kept", "Service": {"Service": "other"}})
    for changed in ({}, "garbage", {"ID": "zzz", "Name": "Changed", "Service": {"Service": "pq"}}):
        await on_one(queried, ask, "PUT", ids, "", changed)
    await on_one(queried, ask, "GET", tuple(each.upper() for each in ids))
    asked: tuple[tuple[str, Any], ...] = (
        ("GET", None),
        ("PUT", {"Name": "x", "Service": {"Service": "s"}}),
        ("DELETE", None),
    )
    for what in ("nope", UNKNOWN, "", "Changed"):
        for method, body in asked:
            await queried.ask(method, f"/v1/query/{what}", body)
    await on_one(queried, ask, "DELETE", ids, "?dc=nowhere")
    await on_one(queried, ask, "DELETE", ids)
    await on_one(queried, ask, "GET", ids)
    await queried.ask("GET", "/v1/query")


async def test_what_queries_find(queried: Any) -> None:
    expected: dict[str, tuple[dict[str, Any], list[str]]] = {
        "all": ({}, ["pq1", "pq2", "pq4"]),
        "not-v1": ({"Tags": ["!v1"]}, ["pq2", "pq4"]),
        "v2": ({"Tags": ["v2"]}, ["pq2", "pq4"]),
        "two": ({"Tags": ["v2", "prod"]}, ["pq2"]),
        "bang": ({"Tags": ["!"]}, ["pq1", "pq2", "pq4"]),
        "empty": ({"Tags": [""]}, []),
        "passing": ({"OnlyPassing": True}, ["pq1", "pq2"]),
        "node-meta": ({"NodeMeta": {"x": "y"}}, []),
        "segment": ({"NodeMeta": {"consul-network-segment": ""}}, ["pq1", "pq2", "pq4"]),
        "service-meta": ({"ServiceMeta": {"a": "b"}}, ["pq1"]),
        "ignoring": ({"IgnoreCheckIDs": ["sick"]}, ["pq1", "pq2", "pq3", "pq4"]),
        "near": ({"Near": "_agent"}, ["pq1", "pq2", "pq4"]),
        "connect": ({"Service": "pqc", "Connect": True}, ["pqc"]),
        "no-connect": ({"Connect": True}, []),
        "case": ({"Service": "PQ"}, ["pq1", "pq2", "pq4"]),
        "failover": ({"Service": "nobody", "Failover": {"NearestN": 2, "Datacenters": ["dc9"]}}, []),
    }
    for name, (service, _) in expected.items():
        await make(queried, {"Name": name, "Service": {"Service": "pq", **service}})
    for name, (_, instances) in expected.items():
        assert await found(queried, f"{name}/execute") == instances, name
    for how in ("?stale", "?consistent", "?near=nope", "?near=_ip", "?limit=0", "?limit=-1", "?connect=false"):
        assert await found(queried, f"ALL/execute{how}") == ["pq1", "pq2", "pq4"]
    assert await found(queried, "all/execute?connect=true") == []
    for path in ("limit=x", "connect=x", "dc=nope", "index=x", "stale&consistent"):
        await queried.ask("GET", f"/v1/query/all/execute?{path}")
    for path in (
        "nope/execute",
        f"{UNKNOWN}/execute",
        "execute",
        "explain",
        "nope/explain",
        "nope/nope",
        "all/execute/",
    ):
        await queried.ask("GET", f"/v1/query/{path}")
    real, ours = await queried.each("GET", "/v1/query/all/execute?limit=2")
    assert len(real.json["Nodes"]) == len(ours.json["Nodes"]) == 2


async def test_templates(queried: Any, ask: Any) -> None:
    service = (
        "${name.full}|${name.prefix}|${name.suffix}|${match(0)}|${match(1)}|${match(2)}|${match(7)}|${agent.segment}"
    )
    template = {**TEMPLATE, "Regexp": "^t1-(.*?)-(.*)$", "RemoveEmptyTags": True}
    ids = await make(
        queried,
        {
            "Name": "t1-",
            "Template": template,
            "Service": {
                "Service": service,
                "Tags": ["${match(2)}", "x${name.suffix}", "", " "],
                "Near": "${name.full}",
                "Failover": {"Datacenters": ["${match(1)}"]},
                "NodeMeta": {"k": "${match(2)}"},
                "ServiceMeta": {"k": "${match(1)}"},
            },
        },
    )
    for name in ("t1-A-b", "T1-a-b", "t1-nomatch", "t1-", "t1-a-b/c", "t", "nope"):
        await queried.ask("GET", f"/v1/query/{name}/explain")
    for what in ("execute", "explain"):
        await on_one(queried, ask, "GET", ids, f"/{what}")
    for text in (
        "a${match(1)", "$${name.full}", "$name", "a}b", "${ name.full }", "x ${ bad}", "${match( 1 )}", "${match(-1)}",
        "${match()}", "${match(1,2)}", '${"lit"}', "${1}", "${1.5}", "${upper(name.full)}", "${}", "$${", "${true}",
        "${match(1)}${", "${name}", "${agent.nope}", "$", "$$", "a$b", "${{name.full}}",
    ):  # fmt: skip
        await on_one(queried, ask, "PUT", ids, "", {"Name": "t1-", "Template": template, "Service": {"Service": text}})
        await queried.ask("GET", "/v1/query/t1-a-b/explain")
    places: tuple[dict[str, Any], ...] = (
        {"Near": "${x}"},
        {"Tags": ["a", "${x}"]},
        {"NodeMeta": {"k": "${x}"}},
        {"ServiceMeta": {"k": "${x"}},
        {"Failover": {"Datacenters": ["${x}"]}},
        {"IgnoreCheckIDs": ["${x}"]},
    )
    for more in places:
        body = {"Name": "t1-", "Template": template, "Service": {"Service": "s", **more}}
        await on_one(queried, ask, "PUT", ids, "", body)
    for bad in ({"Type": "bogus"}, {**TEMPLATE, "Regexp": "("}, {"Regexp": "x"}):
        await on_one(queried, ask, "PUT", ids, "", {"Name": "t1-", "Template": bad, "Service": {"Service": "s"}})


async def test_which_query_a_name_means(queried: Any) -> None:
    for name, service, template in (
        ("a", "from-a", TEMPLATE),
        ("ab", "from-ab", TEMPLATE),
        ("abc", "exact", {}),
        ("", "rest", TEMPLATE),
    ):
        await make(queried, {"Name": name, "Template": template, "Service": {"Service": service}})
    meant = {"a": "from-a", "ax": "from-a", "ABX": "from-ab", "Abc": "exact", "abcd": "from-ab", "b": "rest"}
    for name, service in meant.items():
        _, _, told = await queried.ask("GET", f"/v1/query/{name}/explain")
        assert told["Query"]["Service"]["Service"] == service


async def test_a_session_takes_its_queries_along(queried: Any, ask: Any) -> None:
    sessions = [(await ask(each, "PUT", "/v1/session/create")).json["ID"] for each in (queried.real, queried.agent)]
    ids = []
    for address, session in zip((queried.real, queried.agent), sessions, strict=True):
        body = {"Session": session, "Service": {"Service": "pq"}}
        ids.append((await ask(address, "POST", "/v1/query", body)).json["ID"])
        await ask(address, "PUT", f"/v1/session/destroy/{session}")
    _, _, text = await on_one(queried, ask, "GET", tuple(ids))
    assert text == "Query not found"
