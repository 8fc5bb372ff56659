"""Connect, gateways and what Consul's own web interface reads: like a Consul whose Connect is not enabled."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.conformance.conftest import Both, masked

from muster.agent import Agent
from muster.testing.servers import ConsulServer

pytestmark = pytest.mark.anyio

_UUID = "4ca8e74b-6350-7587-addf-a18084928f3c"
_INTENTIONS = "/v1/connect/intentions"
_READ = (
    "/v1/agent/connect/ca/roots",
    "/v1/agent/connect/ca/leaf/web",
    "/v1/connect/ca/roots",
    "/v1/connect/ca/roots?dc=nope",
    "/v1/connect/ca/configuration",
    "/v1/discovery-chain/",
    "/v1/discovery-chain/web",
    f"{_INTENTIONS}?dc=nope",
    f"{_INTENTIONS}/x",
    f"{_INTENTIONS}/{_UUID}",
    f"{_INTENTIONS}/match",
    f"{_INTENTIONS}/match?by=nobody",
    f"{_INTENTIONS}/match?by=source",
    f"{_INTENTIONS}/match?by=source&name=a&name=b",
    f"{_INTENTIONS}/check",
    f"{_INTENTIONS}/check?source=a",
    f"{_INTENTIONS}/check?source=a&destination=b",
    f"{_INTENTIONS}/check?source=a&destination=b&source-type=x",
    "/v1/health/ingress/",
    "/v1/health/ingress/web",
    "/v1/health/ingress/web?passing=x",
    "/v1/catalog/gateway-services/",
    "/v1/catalog/gateway-services/web",
    "/v1/operator/keyring",
    "/v1/internal/ui/node/",
    "/v1/internal/ui/node/nope",
    "/v1/internal/ui/nodes?dc=nope",
    "/v1/internal/ui/gateway-services-nodes/",
    "/v1/internal/ui/gateway-services-nodes/web",
    "/v1/internal/ui/services?filter=Kind==x",
    "/v1/internal/ui/nodes?filter=Service==x",
    *(f"/v1/acl/{path}" for path in ("list", "info/x", "token/self", "policy/name/x", "rules/translate/x")),
)
_WRITTEN = (
    ("PUT", "/v1/connect/ca/configuration", {}),
    ("POST", "/v1/discovery-chain/web", {}),
    ("POST", "/v1/operator/keyring", {}),
    ("PUT", "/v1/agent/join/127.0.0.1:1?wan=1", None),
    ("PUT", "/v1/query/web/execute", {}),
    ("DELETE", "/v1/query/web/explain", None),
    *(("PUT", f"/v1/acl/{path}", {}) for path in ("create", "update", "destroy/x", "clone/x")),
    ("POST", "/v1/acl/rules/translate", {}),
    ("POST", "/v1/internal/acl/authorize", []),
)


@pytest.fixture(scope="module")
def consul(consul_binary: str) -> Iterator[str]:
    with ConsulServer(consul_binary, "-node=like", "-hcl", "connect { enabled = false }") as server:
        yield server.address


@pytest.fixture
async def both(consul: str, ask: Any) -> Any:
    async with Agent("127.0.0.1:0", node="like") as agent:
        yield Both(consul, agent.address, ask)


async def test_connect_is_not_enabled(both: Both) -> None:
    for path in _READ:
        await both.ask("GET", path)
    for method, path, body in _WRITTEN:
        await both.ask(method, path, body)
    assert (await both.ask("GET", _INTENTIONS))[2] == []


async def test_nobody_can_be_joined(both: Both) -> None:
    real, ours = await both.each("PUT", "/v1/agent/join/127.0.0.1:1")
    beginning = "1 error occurred:\n\t* Failed to join 127.0.0.1"
    assert ours.status == real.status == 500
    assert ours.text.startswith(beginning)
    assert real.text.startswith(beginning)


async def test_what_the_web_interface_reads(both: Both) -> None:
    for service in (
        {"Name": "web", "ID": "w1", "Tags": ["b", "a"], "Check": {"TTL": "1h"}, "Meta": {"external-source": "nomad"}},
        {"Name": "web", "ID": "w2", "Tags": ["c"], "Check": {"TTL": "1h", "Status": "warning"}},
        {"Name": "web-proxy", "Kind": "connect-proxy", "Port": 1, "Proxy": {"DestinationServiceName": "web"}},
        {"Name": "entry", "Kind": "ingress-gateway", "Port": 1},
    ):
        await both.ask("PUT", "/v1/agent/service/register", service)
    for node in (
        {"Node": "bare", "Address": "10.0.0.1"},
        {"Node": "ext", "Address": "10.0.0.2", "NodeMeta": {"a": "b"}, "Service": {"Service": "db"}},
        {"Node": "ext", "Address": "10.0.0.2", "Check": {"Name": "up", "Status": "critical"}},
    ):
        await both.ask("PUT", "/v1/catalog/register", node)
    for path in (
        "services",
        "services?filter=Service.Service==web",
        "services?filter=Checks+is+empty",
        "services?filter=web+in+Service.Tags",
        "nodes?filter=Node+!=+like",
        "nodes?filter=Meta.a==b",
        "nodes?filter=Services+is+empty",
        "node/ext",
        "node/EXT",
        "node/bare",
    ):
        assert (await both.ask("GET", f"/v1/internal/ui/{path}"))[0] == 200
    real, ours = await both.each("GET", "/v1/internal/ui/node/like")
    without_itself = [[each for each in reply.json["Services"] if each["ID"] != "consul"] for reply in (real, ours)]
    assert masked(without_itself[1]) == masked(without_itself[0])
