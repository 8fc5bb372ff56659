"""Paths, methods and headers."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"


PLACES = [
    ("GET", "/"),
    ("GET", "/nope"),
    ("GET", "/v1"),
    ("GET", "/v1/"),
    ("GET", "/v1/nope"),
    ("GET", "/v1//agent/self"),
    ("GET", "/v1/agent/./services"),
    ("GET", "/v1/agent/x/../services?pretty"),
    ("PUT", "/v1//agent/services"),
    ("GET", "/v1/agent/service"),
    ("PUT", "/v1/agent/service/deregister"),
    ("GET", "/v1/agent/service/"),
    ("GET", "/v1/agent/service/nope"),
    ("PUT", "/v1/agent/service/deregister/"),
    ("PUT", "/v1/agent/service/deregister/nope"),
    ("DELETE", REGISTER),
    ("POST", REGISTER),
    ("OPTIONS", REGISTER),
    ("OPTIONS", "/v1/health/service/x"),
    ("HEAD", "/v1/agent/services"),
    ("HEAD", "/v1/health/service/x"),
    ("GET", "/v1/health/service"),
    ("GET", "/v1/health/service/"),
    ("GET", "/v1/catalog/service/"),
    ("GET", "/v1/health/state/"),
    ("GET", "/v1/health/state/bogus"),
    ("GET", "/v1/health/checks/"),
    ("GET", "/v1/health/checks/nope"),
    ("GET", "/v1/health/service/nope"),
    ("GET", "/v1/catalog/service/nope"),
    ("GET", "/v1/health/service/a%0A"),
    ("GET", "/v1/catalog/datacenters"),
    ("GET", "/v1/catalog/datacenters?cached"),
    ("GET", "/v1/catalog/nodes?near=_agent&node-meta=a:b"),
    ("GET", "/v1/catalog/services?node-meta=a:b"),
    ("GET", "/v1/agent/services?ns=x"),
    ("GET", "/v1/agent/services?index=5&wait=10m"),
    ("GET", "/v1/status/leader?dc=nope"),
    *(
        ("GET", f"/v1/catalog/{kind}")
        for kind in ("node/", "node/nope", "node", "node-services/", "node-services/nope")
    ),
    *(("GET", f"/v1/{family}/connect/{name}") for family in ("catalog", "health") for name in ("", "nope")),
    ("GET", "/v1/health/node/"),
    ("GET", "/v1/health/node/nope"),
    ("GET", "/v1/catalog/node/nope?filter=x="),
    ("GET", "/v1/health/connect/nope?passing=x"),
    ("GET", "/v1/catalog/register"),
]


async def test_paths_and_methods(both: Any) -> None:
    for method, path in PLACES:
        await both.ask(method, path)


@pytest.mark.parametrize(
    "headers",
    [
        {"Accept-Encoding": "gzip"},
        {"Accept-Encoding": "br, gzip;q=0.5"},
        {"Accept-Encoding": "gzip;q=0"},
        {"Accept-Encoding": "*"},
        {"X-Consul-Namespace": "x"},
        {"X-Consul-Token": "anything"},
        {"Host": "elsewhere.example"},
    ],
)
async def test_headers(both: Any, headers: dict[str, str]) -> None:
    for path in ("/v1/agent/service/nope", "/v1/health/service/nope", "/v1/nope"):
        await both.ask("GET", path, None, headers)
    await both.ask("PUT", "/v1/agent/service/deregister/nope", None, headers)
