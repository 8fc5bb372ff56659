"""Filters, consistency, and parameters of all sorts."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"


async def test_health_is_filtered_alike(both: Any) -> None:
    try:
        for name, status in (("p", "passing"), ("w", "warning"), ("c", "critical")):
            check = {"TTL": "60s", "Status": status}
            await both.ask("PUT", REGISTER, {"Name": "Mixed", "ID": f"m-{name}", "Tags": ["X", name], "Check": check})
        await both.ask("PUT", REGISTER, {"Name": "mixed", "ID": "m-none"})
        for query in (
            "",
            "?passing",
            "?passing=1",
            "?passing=false",
            "?passing=foo",
            "?tag=x",
            "?tag=X&tag=p",
            "?tag=p&tag=w",
            "?tag=",
            "?tag=nope",
            "?near=_agent",
            "?node-meta=a:b",
            "?stale",
            "?consistent",
            "?stale=false",
            "?stale&consistent",
            "?cached&consistent",
            "?pretty",
            "?dc=dc1",
            "?dc=nowhere",
            "?dc=",
            "?ns=x",
            "?index=x",
            "?index=-1",
            "?index=1",
            "?index=1&wait=-1s",
            "?wait=10",
            "?wait=1s",
            "?max_stale=x",
            "?stale&max_stale=10s",
            "?tag=%zz",
        ):
            await both.ask("GET", f"/v1/health/service/mIxEd{query}")
            if "passing" not in query:
                await both.ask("GET", f"/v1/catalog/service/mixed{query}")
        for path in ("/v1/health/state/any", "/v1/health/state/passing", "/v1/health/checks/MIXED"):
            real, ours = await both.each("GET", path)
            ids = [{check["CheckID"] for check in reply.json} for reply in (real, ours)]
            assert ids[0] == ids[1]
    finally:
        for name in ("p", "w", "c", "none"):
            await both.each("PUT", f"/v1/agent/service/deregister/m-{name}")


async def test_one_node_leads_itself_and_is_its_only_member(both: Any) -> None:
    for path in ("/v1/status/leader", "/v1/status/peers"):
        real, ours = await both.each("GET", path)
        assert shape(ours.json) == shape(real.json)
    real, ours = await both.each("GET", "/v1/agent/members")
    (real_member,), (member,) = real.json, ours.json
    assert (member["Name"], member.keys()) == (real_member["Name"], real_member.keys())
    assert member["Tags"].keys() <= real_member["Tags"].keys()


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


async def test_self_has_what_clients_read(both: Any) -> None:
    real, ours = await both.each("GET", "/v1/agent/self")
    assert real.json.keys() == ours.json.keys()
    for part in ("Config", "Member", "Meta"):
        assert shape(ours.json[part]).keys() == shape(real.json[part]).keys()
    assert ours.json["Config"]["Version"] == real.json["Config"]["Version"]
    assert ours.json["Config"]["Revision"].startswith("muster ")
    for key, value in ours.json["DebugConfig"].items():
        assert type(value) is type(real.json["DebugConfig"][key]), key
    for group, values in ours.json["Stats"].items():
        assert values.keys() <= real.json["Stats"][group].keys()


async def test_pretty_is_written_alike(both: Any) -> None:
    real, ours = await both.each("GET", "/v1/catalog/nodes?pretty")
    without_ids = [re.sub(r'"ID": "[^"]*"|Index": \d+', "", reply.text) for reply in (real, ours)]
    assert without_ids[0] == without_ids[1]
