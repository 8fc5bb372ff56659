"""The same requests to a real Consul and to the agent, and the same answers from both.

Compared are status, headers (which ones, and their values where they do not tell the time or count), and bodies with
the indexes, ids and ports of the two servers masked. Where the agent differs on purpose a test of its own says so.
"""

from __future__ import annotations

import asyncio
import json
import re
from typing import Any

import pytest

from muster.agent import Agent

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"
CHECK = "/v1/agent/check/register"

_TRANSPORT = {"date", "content-length", "transfer-encoding", "connection", "age"}
_MASKED = {"CreateIndex", "ModifyIndex", "ContentHash"}


class Both:
    """A real Consul and the agent, asked the same."""

    def __init__(self, real: str, agent: str, ask: Any) -> None:
        self._real, self._agent, self._ask = real, agent, ask

    async def ask(self, method: str, path: str, body: Any = None, headers: dict[str, str] | None = None) -> Any:
        """Asserts that both answer alike; returns what the agent answered, comparably."""
        real = comparable(await self._ask(self._real, method, path, body, headers))
        ours = comparable(await self._ask(self._agent, method, path, body, headers))
        assert ours == real, f"{method} {path} {body!r}"
        return ours

    async def each(self, method: str, path: str, body: Any = None) -> tuple[Any, Any]:
        """Both answers as they are: the real one, and the agent's."""
        return await self._ask(self._real, method, path, body), await self._ask(self._agent, method, path, body)

    async def settled(self, path: str, done: Any) -> tuple[Any, Any]:
        """Both answers, once `done` holds for the body of both."""
        async with asyncio.timeout(20):
            while True:
                real, ours = await self.each("GET", path)
                if done(real.json) and done(ours.json):
                    return real, ours
                await asyncio.sleep(0.02)


def comparable(reply: Any) -> tuple[int, dict[str, str], Any]:
    headers = {name: value for name, value in reply.headers.items() if name not in _TRANSPORT}
    for name, value in headers.items():
        if name in ("x-consul-index", "x-consul-contenthash", "x-cache") and value != "1":
            headers[name] = "*"
        elif name == "vary":
            headers[name] = value.lower()
    if headers.get("content-type") == "application/json":
        return reply.status, headers, in_order(masked(reply.json))
    return reply.status, headers, reply.text


def in_order(value: Any) -> Any:
    """Lists of instances by id: Consul, filtering by health, moves the last into the place of what it leaves out."""
    if isinstance(value, list) and value and isinstance(value[0], dict) and "Service" in value[0]:
        return sorted(value, key=lambda entry: str(entry["Service"]["ID"]))
    return value


def masked(value: Any) -> Any:
    """The same without what the two servers cannot have in common."""
    if isinstance(value, dict):
        return {key: bool(inner) if key in _MASKED else masked(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [masked(inner) for inner in value]
    if isinstance(value, str):
        return re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UUID", value)
    return value


@pytest.fixture
async def both(consul_server: str, agent: Agent, ask: Any) -> Both:
    return Both(consul_server.removeprefix("consul://"), agent.address, ask)


REFUSED_SERVICES: list[Any] = [
    "",
    "null",
    "{}",
    "{",
    '{"Name":"x"',
    '{"Name":"x",}',
    '{"Name":"x\\q"}',
    {"ID": "x"},
    {"Name": 3},
    {"Name": "x", "Port": "80"},
    {"Name": "x", "Port": 99999999999999999999},
    {"Name": "x", "Tags": "a"},
    {"Name": "x", "Tags": [1]},
    {"Name": "x", "Meta": {"a": 1}},
    {"Name": "x", "Meta": []},
    {"Name": "x", "EnableTagOverride": "true"},
    {"Name": "x", "Bogus": 1},
    {"Name": "x", "Namespace": "default"},
    {"Name": "x", "SocketPath": "/x"},
    {"Name": "x", "Check": {"Bogus": 1}},
    {"Name": "x", "Check": {"TTL": "abc"}},
    {"Name": "x", "Check": {"TTL": "10"}},
    {"Name": "x", "Check": {"TTL": "-10s"}},
    {"Name": "x", "Check": {"TTL": "10s", "Interval": "10s"}},
    {"Name": "x", "Check": {"Interval": "10s"}},
    {"Name": "x", "Check": {"HTTP": "http://a"}},
    {"Name": "x", "Check": {"Name": "only"}},
    {"Name": "x", "Checks": [{}]},
    {"Name": "x", "Check": {"TTL": "1s", "Status": "bad"}},
    {"Name": "x", "Check": {"TTL": "1s", "Header": {"a": "b"}}},
    {"Name": "x", "Check": {"TTL": "1s", "OutputMaxSize": -1}},
    {"Name": "x", "Check": {"check_id": "a", "TTL": "1s"}},
    {"Name": "x", "Check": {"ID": "a", "TTL": "1s"}},
    {"Name": "x", "Check": {"success_before_passing": 3, "TTL": "1s"}},
    {"Name": "x", "Check": {"grpc_use_tls": True, "TTL": "1s"}},
    {"Name": "x", "Check": {"args": ["a"], "Interval": "10s"}},
    {"Name": "x", "Check": {"ScriptArgs": ["a"], "Interval": "10s"}},
    {"Name": "x", "Weights": {"Passing": 0}},
    {"Name": "x", "Weights": {"Warning": 5}},
    {"Name": "x", "Weights": {"Passing": 70000}},
    {"Name": "x", "Weights": {"Passing": 1, "Warning": -1}},
    {"Name": "x", "Address": "0.0.0.0"},
    {"Name": "x", "Address": "::"},
    {"Name": "x", "Address": "[::]"},
    {"Name": "x", "Meta": {"a b": "1"}},
    {"Name": "x", "Meta": {"": "1"}},
    {"Name": "x", "Meta": {"a": "v" * 513}},
    {"Name": "x", "Meta": {"k" * 129: "v"}},
    {"Name": "x", "Meta": {"consul-a": "v"}},
    {"Name": "x", "Meta": {f"k{n}": "v" for n in range(65)}},
]


async def test_registrations_are_refused_in_the_same_words(both: Both) -> None:
    for body in REFUSED_SERVICES:
        status, _, _ = await both.ask("PUT", REGISTER, body)
        assert status in (400, 500)


SERVICES: list[dict[str, Any]] = [
    {"Name": "bare"},
    {"Name": "tagged", "Tags": ["b", "a", "b", ""], "Port": 80},
    {"Name": "ipv4", "Address": "10.0.0.1", "Port": 80, "Meta": {"k": "v"}},
    {"Name": "ipv6", "Address": "fd00::1", "Port": 80},
    {"Name": "host", "Address": "host.example", "Port": -1},
    {"name": "snake", "enable_tag_override": True, "tagged_addresses": {"x": {"address": "10.0.0.9", "port": 3}}},
    {"Name": "half", "Address": "10.0.0.1", "TaggedAddresses": {"lan_ipv4": {"Address": "10.0.0.2", "Port": 9}}},
    {"Name": "heavy", "Weights": {"Passing": 5}},
    {"Name": "light", "Weights": {"Passing": 5, "Warning": 2}, "Token": "secret"},
    {"Name": "odd name/x", "ID": "odd"},
    {"Name": "native", "Connect": {"Native": True}},
    {"Name": "nocheck", "Check": {}},
    {"Name": "ttl", "Check": {"TTL": "60s"}},
    {"Name": "ns", "Check": {"TTL": 60_000_000_000, "Status": "warning", "Notes": "n", "Name": "mine"}},
    {"Name": "many", "Check": {"TTL": "60s"}, "Checks": [{"TTL": "60s", "CheckID": "own"}, {"TTL": "60s"}]},
    {"Name": "web", "ID": "web-1", "Check": {"CheckID": "w", "TCP": "127.0.0.1:1", "Interval": "600s"}},
]


async def test_services_look_the_same_everywhere(both: Both) -> None:
    try:
        for service in SERVICES:
            service_id = service.get("ID") or service.get("Name") or service["name"]
            name = (service.get("Name") or service["name"]).replace("/", "%2F").replace(" ", "%20")
            assert (await both.ask("PUT", REGISTER, service))[0] == 200
            for path in (f"/v1/agent/service/{service_id}", f"/v1/catalog/service/{name}"):
                await both.ask("GET", path)
            for path in (f"/v1/health/service/{name}", f"/v1/health/checks/{name}"):
                await both.ask("GET", path)
        for path in ("/v1/agent/services", "/v1/agent/checks", "/v1/catalog/nodes", "/v1/health/state/warning"):
            await both.ask("GET", path)
        real, ours = await both.each("GET", "/v1/catalog/services")
        assert {name: sorted(tags) for name, tags in ours.json.items()} == {
            name: sorted(tags) for name, tags in real.json.items()
        }
    finally:
        for service in SERVICES:
            service_id = service.get("ID") or service.get("Name") or service["name"]
            await both.each("PUT", f"/v1/agent/service/deregister/{service_id}")


async def test_health_is_filtered_alike(both: Both) -> None:
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


REFUSED_CHECKS: list[Any] = [
    "",
    {},
    {"Name": "c"},
    {"Name": 3},
    {"ID": "cc", "TTL": "10s"},
    {"Name": "c", "TTL": "10s", "CheckID": "z"},
    {"Name": "c", "TTL": "10s", "check_id": "z"},
    {"Name": "c", "TTL": "10s", "Status": "bad"},
    {"Name": "c", "TTL": "10s", "ServiceID": "nope"},
    {"Name": "c", "TTL": "10s", "service_id": "nope"},
    {"Name": "c", "TTL": "10s", "Interval": "10s"},
    {"Name": "c", "HTTP": "x"},
    {"Name": "c", "TTL": "10s", "ProxyHTTP": "x"},
    {"Name": "c", "args": ["x"], "Interval": "10s"},
    {"Name": "c", "TTL": "10s", "Timeout": "zz"},
]


async def test_checks_are_refused_in_the_same_words(both: Both) -> None:
    for body in REFUSED_CHECKS:
        status, _, _ = await both.ask("PUT", CHECK, body)
        assert status in (400, 500)


async def test_a_ttl_check_is_reported_on_alike(both: Both) -> None:
    try:
        await both.ask("PUT", CHECK, {"Name": "beat", "TTL": "60s", "Notes": "n", "Status": "warning"})
        for method, path, body in (
            ("PUT", "/v1/agent/check/pass/beat", None),
            ("PUT", "/v1/agent/check/warn/beat?note=hello%20there", None),
            ("PUT", f"/v1/agent/check/fail/beat?note={'a' * 5000}", None),
            ("PUT", "/v1/agent/check/update/beat", {"Status": "passing", "Output": "o"}),
            ("PUT", "/v1/agent/check/update/beat", {"status": "critical", "output": "p"}),
            ("PUT", "/v1/agent/check/update/beat", {"Status": "bad"}),
            ("PUT", "/v1/agent/check/update/beat", {"Status": "passing", "X": 1}),
            ("PUT", "/v1/agent/check/update/beat", {}),
            ("PUT", "/v1/agent/check/update/beat", ""),
            ("PUT", "/v1/agent/check/update/nope", {"Status": "passing"}),
            ("PUT", "/v1/agent/check/pass/nope", None),
            ("PUT", "/v1/agent/check/pass/", None),
            ("PUT", "/v1/agent/check/pass", None),
            ("GET", "/v1/agent/check/pass/beat", None),
            ("PUT", CHECK, {"Name": "beat", "TTL": "60s", "Status": "passing"}),
        ):
            await both.ask(method, path, body)
            await both.ask("GET", "/v1/agent/checks")
        for path in ("beat", "beat", "", "nope"):
            await both.ask("PUT", f"/v1/agent/check/deregister/{path}")
    finally:
        await both.each("PUT", "/v1/agent/check/deregister/beat")


async def test_registering_again_keeps_states_and_replaces_checks_if_asked(both: Both) -> None:
    service = {"Name": "again", "Checks": [{"CheckID": "a1", "TTL": "60s"}, {"CheckID": "a2", "TTL": "60s"}]}
    only_first = {"Name": "again", "Tags": ["t"], "Check": {"CheckID": "a1", "TTL": "60s", "Status": "warning"}}
    try:
        for path, body in (
            (REGISTER, service),
            ("/v1/agent/check/pass/a1?note=ok", None),
            (REGISTER, service),
            (REGISTER, only_first),
            (f"{REGISTER}?replace-existing-checks=1", only_first),
            (f"{REGISTER}?replace-existing-checks=true", only_first),
            (f"{REGISTER}?replace-existing-checks", {"Name": "again"}),
        ):
            await both.ask("PUT", path, body)
            await both.ask("GET", "/v1/health/checks/again")
    finally:
        await both.each("PUT", "/v1/agent/service/deregister/again")


async def test_maintenance_is_a_critical_check(both: Both) -> None:
    try:
        await both.ask("PUT", REGISTER, {"Name": "mended"})
        for path in (
            "/v1/agent/service/maintenance/mended",
            "/v1/agent/service/maintenance/mended?enable=x",
            "/v1/agent/service/maintenance/?enable=true",
            "/v1/agent/service/maintenance/nope?enable=true",
            "/v1/agent/service/maintenance/mended?enable=true&reason=why",
            "/v1/agent/service/maintenance/mended?enable=1",
            "/v1/agent/maintenance",
            "/v1/agent/maintenance?enable=x",
            "/v1/agent/maintenance?enable=true",
        ):
            await both.ask("PUT", path)
            await both.ask("GET", "/v1/agent/checks")
        await both.ask("GET", "/v1/health/service/mended?passing")
        for path in ("/v1/agent/service/maintenance/mended?enable=0", "/v1/agent/maintenance?enable=false"):
            await both.ask("PUT", path)
            await both.ask("GET", "/v1/health/service/mended?passing")
    finally:
        await both.each("PUT", "/v1/agent/service/deregister/mended")
        await both.each("PUT", "/v1/agent/maintenance?enable=false")


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
]


async def test_paths_and_methods(both: Both) -> None:
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
async def test_headers(both: Both, headers: dict[str, str]) -> None:
    for path in ("/v1/agent/service/nope", "/v1/health/service/nope", "/v1/nope"):
        await both.ask("GET", path, None, headers)
    await both.ask("PUT", "/v1/agent/service/deregister/nope", None, headers)


async def test_status_and_members_have_the_same_shape(both: Both) -> None:
    for path in ("/v1/status/leader", "/v1/status/peers", "/v1/agent/members", "/v1/agent/members?wan=1"):
        real, ours = await both.each("GET", path)
        assert (ours.status, shape(ours.json)) == (real.status, shape(real.json) if "members" not in path else ANY)


class _Any:
    def __eq__(self, other: object) -> bool:
        return True

    __hash__ = None  # type: ignore[assignment]


ANY = _Any()


def shape(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: shape(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [shape(inner) for inner in value]
    return type(value).__name__


async def test_self_has_what_clients_read(both: Both) -> None:
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


async def test_pretty_is_written_alike(both: Both) -> None:
    real, ours = await both.each("GET", "/v1/catalog/nodes?pretty")
    without_ids = [re.sub(r'"ID": "[^"]*"|Index": \d+', "", reply.text) for reply in (real, ours)]
    assert without_ids[0] == without_ids[1]


async def test_outputs_of_checks_are_in_the_same_words(both: Both) -> None:
    checks = {
        "refused": {"HTTP": "http://127.0.0.1:1/"},
        "scheme": {"HTTP": "nonsense"},
        "tcp": {"TCP": "127.0.0.1:1"},
        "noport": {"TCP": "nonsense"},
    }
    try:
        for name, check in checks.items():
            await both.ask("PUT", CHECK, {"Name": f"out-{name}", "Interval": "1s", **check})
        real, ours = await both.settled(
            "/v1/agent/checks", lambda found: all(found[f"out-{name}"]["Output"] for name in checks)
        )
        assert masked(ours.json) == masked(real.json)
    finally:
        for name in checks:
            await both.each("PUT", f"/v1/agent/check/deregister/out-{name}")


async def test_what_wakes_whom(both: Both) -> None:
    """Writes, and which of the readers that wait have an answer after each."""
    readers = ["health/service/wake", "catalog/service/wake", "catalog/services", "health/state/any", "catalog/nodes"]
    ttl = {"CheckID": "wake-ttl", "TTL": "60s"}
    steps = [
        (REGISTER, {"Name": "wake"}, {0, 1, 2}),
        (REGISTER, {"Name": "wake"}, set()),
        (REGISTER, {"Name": "wake", "Port": 1}, {0, 1, 2}),
        (REGISTER, {"Name": "neighbour"}, {2}),
        ("/v1/agent/service/deregister/neighbour", None, {2}),
        (REGISTER, {"Name": "wake", "Port": 1, "Check": ttl}, {0, 3}),
        ("/v1/agent/check/pass/wake-ttl", None, {0, 3}),
        ("/v1/agent/check/pass/wake-ttl?note=more", None, set()),
        (CHECK, {"Name": "wake-node", "TTL": "60s", "Status": "passing"}, {0, 3}),
        ("/v1/agent/check/deregister/wake-node", None, {0, 3}),
        ("/v1/agent/service/deregister/wake", None, {0, 1, 2, 3}),
    ]
    try:
        for path, body, expected in steps:
            news = {readers[n] for n in expected}
            real, ours = await woken(both, readers, news, path, body)
            assert ours == news, f"the agent, after {path} {body}"
            assert real == ours, f"{path} {body}"
    finally:
        for name in ("wake", "neighbour"):
            await both.each("PUT", f"/v1/agent/service/deregister/{name}")
        await both.each("PUT", "/v1/agent/check/deregister/wake-node")


async def woken(both: Both, readers: list[str], expected: set[str], path: str, body: Any) -> tuple[set[str], set[str]]:
    """Which of `readers`, at each server, have an answer because of a write. Those `expected` are given more time."""
    waiting = {
        (server, reader): await begin(address, reader, (await both._ask(address, "GET", f"/v1/{reader}")).index)
        for server, address in enumerate((both._real, both._agent))
        for reader in readers
    }
    try:
        await asyncio.sleep(LONG_ENOUGH)
        await both.ask("PUT", path, body)
        async with asyncio.TaskGroup() as group:
            answered = {
                place: group.create_task(is_answered(connection, SOON if place[1] in expected else LONG_ENOUGH))
                for place, connection in waiting.items()
            }
    finally:
        for _, writer in waiting.values():
            writer.close()
    real, ours = ({reader for (at, reader), task in answered.items() if at == n and task.result()} for n in (0, 1))
    return real, ours


SOON = 10.0
LONG_ENOUGH = 0.15
"""For a request to arrive and wait, and for an answer to come: what should not come cannot be waited for otherwise."""

Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


async def begin(address: str, reader: str, index: int) -> Connection:
    host, port = address.split(":")
    connection = await asyncio.open_connection(host, int(port))
    connection[1].write(f"GET /v1/{reader}?index={index}&wait=60s HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    return connection


async def is_answered(connection: Connection, within: float) -> bool:
    try:
        async with asyncio.timeout(within):
            return b"200 OK" in await connection[0].readline()
    except TimeoutError:
        return False


async def test_deviations_on_purpose(agent: Agent, ask: Any) -> None:
    """What a real Consul does otherwise: it runs alias checks, filters, and crashes on a null among the checks."""
    alias = {"Name": "x", "Check": {"AliasService": "y"}}
    assert (await ask(agent.address, "PUT", REGISTER, alias)).status == 500
    null = '{"Name":"x","Checks":[null]}'
    assert (await ask(agent.address, "PUT", REGISTER, null)).status == 400
    filtered = await ask(agent.address, "GET", "/v1/agent/services?filter=Service==x")
    assert (filtered.status, "filter" in filtered.text) == (501, True)
    assert json.loads((await ask(agent.address, "GET", "/v1/agent/services")).body) == {}
