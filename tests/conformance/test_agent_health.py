"""Health as a status code."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

HEALTH = "/v1/agent/health/service/"
PLACES = ("id/", "id/none", "id/ah-1", "id/ah-2", "name/", "name/none", "name/AH", "name/ah")


async def test_health_as_a_status(both: Any) -> None:
    check = {"CheckID": "ah-c", "TTL": "60s", "Status": "passing", "Notes": "n"}
    steps = [
        ("/v1/agent/service/register", {"Name": "ah", "ID": "ah-1", "Tags": ["t"], "Port": 80, "Check": check}),
        ("/v1/agent/service/register", {"Name": "ah", "ID": "ah-2"}),
        ("/v1/agent/check/warn/ah-c?note=hm", None),
        ("/v1/agent/check/fail/ah-c", None),
        ("/v1/agent/check/pass/ah-c", None),
        ("/v1/agent/service/maintenance/ah-2?enable=true", None),
        ("/v1/agent/service/maintenance/ah-2?enable=false", None),
        ("/v1/agent/maintenance?enable=true", None),
        ("/v1/agent/maintenance?enable=false", None),
    ]
    try:
        for path, body in steps:
            await both.ask("PUT", path, body)
            for place in (place + query for place in PLACES for query in ("", "?format=text")):
                real, ours = await both.each("GET", HEALTH + place)
                assert in_order(both.comparable(ours)) == in_order(both.comparable(real)), f"{place} after {path}"
    finally:
        for service_id in ("ah-1", "ah-2"):
            await both.each("PUT", f"/v1/agent/service/deregister/{service_id}")
        await both.each("PUT", "/v1/agent/maintenance?enable=false")


def in_order(answer: tuple[int, dict[str, str], Any]) -> Any:
    """With instances and checks by id: Consul gives them in any order."""
    status, headers, body = answer
    if isinstance(body, list):
        body.sort(key=lambda judged: str(judged["Service"]["ID"]))
    for judged in body if isinstance(body, list) else [body]:
        if isinstance(judged, dict) and judged["Checks"]:
            judged["Checks"].sort(key=lambda check: str(check["CheckID"]))
    return status, headers, body
