"""Registering checks, reporting on them, and what those that look find."""

from __future__ import annotations

import asyncio
import gzip
import re
from collections.abc import AsyncIterator
from typing import Any, ClassVar
from urllib.parse import quote

import pytest
from tests.conformance.conftest import Both

from muster.agent import Agent
from muster.agent.settings import Settings
from muster.testing.servers import ConsulServer

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"
CHECK = "/v1/agent/check/register"


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


async def test_checks_are_refused_in_the_same_words(both: Any) -> None:
    for body in REFUSED_CHECKS:
        status, _, _ = await both.ask("PUT", CHECK, body)
        assert status in (400, 500)


async def test_a_ttl_check_is_reported_on_alike(both: Any) -> None:
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


async def test_outputs_of_checks_are_in_the_same_words(both: Any) -> None:
    checks = {
        "refused": {"HTTP": "http://127.0.0.1:1/"},
        "scheme": {"HTTP": "nonsense"},
        "tcp": {"TCP": "127.0.0.1:1"},
        "noport": {"TCP": "nonsense"},
    }
    try:
        for name, check in checks.items():
            await both.ask("PUT", CHECK, {"Name": f"out-{name}", "Interval": "1s", **check})
        await both.settled("/v1/agent/checks", lambda found: all(found[f"out-{name}"]["Output"] for name in checks))
        await both.ask("GET", "/v1/agent/checks")
    finally:
        for name in checks:
            await both.each("PUT", f"/v1/agent/check/deregister/out-{name}")


class Target:
    """Answers HTTP requests by their path, and remembers what each of the two sent: `X-From` says who."""

    ANSWERS: ClassVar[dict[str, tuple[str, bytes, str]]] = {
        "/ok": ("200 OK", b"body", ""),
        "/204": ("204 No Content", b"", ""),
        "/300": ("300 Multiple Choices", b"", ""),
        "/404": ("404 Not Found", b"no", ""),
        "/429": ("429 Too Many Requests", b"busy", ""),
        "/599": ("599 ", b"odd", ""),
        "/gzip": ("200 OK", gzip.compress(b"plain"), "Content-Encoding: gzip"),
        "/bytes": ("200 OK", b"\xff\xfe\x00 x", ""),
        "/big": ("200 OK", b"x" * 5000 + b"END", ""),
        "/301": ("301 Moved Permanently", b"", "Location: /ok"),
        "/307": ("307 Temporary Redirect", b"", "Location: /ok"),
        "/loop": ("302 Found", b"", "Location: /loop"),
        "/nowhere": ("302 Found", b"", "Location: ftp://x/"),
        "/lost": ("302 Found", b"", ""),
    }

    def __init__(self) -> None:
        self.heard: dict[str, list[bytes]] = {"real": [], "agent": []}
        self.under_way: set[asyncio.StreamWriter] = set()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.under_way.add(writer)
        try:
            writer.write(await self._exchanged(reader))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()
            self.under_way.discard(writer)

    async def _exchanged(self, reader: asyncio.StreamReader) -> bytes:
        head = await reader.readuntil(b"\r\n\r\n")
        length = re.search(rb"Content-Length: (\d+)", head)
        body = await reader.readexactly(int(length[1])) if length else b""
        who = "agent" if b"X-From: agent" in head else "real"
        self.heard[who].append(head.replace(b"X-From: agent", b"X-From: real") + body)
        return self._answer(head.split()[0].decode(), head.split()[1].decode())

    def _answer(self, method: str, path: str) -> bytes:
        status, body, header = self.ANSWERS.get(path, ("200 OK", b"other", ""))
        if path == "/silent":
            return b""
        short = path == "/short"
        lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) + short}", *([header] if header else [])]
        return "\r\n".join([*lines, "", ""]).encode() + (b"" if method == "HEAD" else body)


@pytest.fixture
async def target() -> AsyncIterator[tuple[Target, str]]:
    target = Target()
    server = await asyncio.start_server(target.serve, "127.0.0.1", 0)
    async with server:
        yield target, f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
    async with asyncio.timeout(30):
        while target.under_way:
            for writer in list(target.under_way):
                writer.transport.abort()
            await asyncio.sleep(0.01)


def http_checks(address: str) -> dict[str, dict[str, Any]]:
    paths = (*Target.ANSWERS, "/silent", "/short", "/a b", "/a%2Fb?x=%41", "/\u00e4", "/x#frag")
    checks: dict[str, dict[str, Any]] = {path: {"HTTP": f"http://{address}{path}"} for path in paths}
    ok = f"http://{address}/ok"
    return checks | {
        "post": {"HTTP": ok, "Method": "POST"},
        "put": {"HTTP": ok, "Method": "PUT", "Body": "data"},
        "delete": {"HTTP": ok, "Method": "DELETE"},
        "head": {"HTTP": f"http://{address}/big", "Method": "HEAD"},
        "bad method": {"HTTP": ok, "Method": "BAD METHOD"},
        "post 301": {"HTTP": f"http://{address}/301", "Method": "POST", "Body": "data"},
        "post 307": {"HTTP": f"http://{address}/307", "Method": "POST", "Body": "data"},
        "limit": {"HTTP": f"http://{address}/big", "OutputMaxSize": 7},
        "own gzip": {"HTTP": f"http://{address}/ok", "Header": {"Accept-Encoding": ["br"]}},
        "headers": {
            "HTTP": ok,
            "Header": {"Host": ["h.example"], "X-Two": ["1", "2"], "User-Agent": ["me"], "a": ["b"]},
        },
        "bad name": {"HTTP": ok, "Header": {"X Y": ["z"]}},
        "bad value": {"HTTP": ok, "Header": {"X": ["a\nb"]}},
        "user": {"HTTP": f"http://me:pw@{address}/ok"},
        "password": {"HTTP": "http://me:pw@127.0.0.1:1/x"},
        "port": {"HTTP": "http://127.0.0.1:99999/"},
        "no port": {"HTTP": "http://127.0.0.1:abc/"},
        "no scheme": {"HTTP": "127.0.0.1:80/x"},
        "no host": {"HTTP": "http:///x"},
        "bracket": {"HTTP": "http://[::1"},
        "control": {"HTTP": f"http://{address}/a\nb"},
        "tls": {"HTTP": f"https://{address}/ok"},
        "capitals": {"HTTP": f"HTTP://{address}/ok"},
    }


async def test_http_checks_send_and_find_the_same(both: Any, target: tuple[Target, str]) -> None:
    heard, address = target
    checks = http_checks(address)
    try:
        for name, check in checks.items():
            for who, server in (("real", both.real), ("agent", both.agent)):
                header = {**check.get("Header", {}), "X-From": [who]}
                body = {"Name": f"look {name}", "Interval": "1s", "Timeout": "900ms", **check, "Header": header}
                assert (await both.send(server, "PUT", CHECK, body)).status == 200
        looks = [f"look {name}" for name in checks]
        await both.settled("/v1/agent/checks", lambda found: all(found[look]["Output"] for look in looks))
        real, ours = await both.each("GET", "/v1/agent/checks")
        assert {look: ours.json[look]["Output"] for look in looks} == {
            look: real.json[look]["Output"] for look in looks
        }
        assert {look: ours.json[look]["Status"] for look in looks} == {
            look: real.json[look]["Status"] for look in looks
        }
    finally:
        for name in checks:
            await both.each("PUT", f"/v1/agent/check/deregister/look%20{quote(name, safe='')}")
    assert set(heard.heard["agent"]) == set(heard.heard["real"])


@pytest.fixture
async def alone(own_consul: ConsulServer, agent: Agent, ask: Any) -> Both:
    """A Consul for alias checks: it never stops them, and crashes once their node is gone."""
    return Both(own_consul.address, agent.address, ask)


CUT = "x" * 4096 + " ... (captured 4096 of 5000 bytes)"
ALIAS_STEPS: list[tuple[str, Any, str]] = [
    ("/v1/agent/check/pass/t-beat?note=fine", None, "All checks passing."),
    ("/v1/agent/check/warn/t-beat?note=meh", None, 'Aliased check "beat" failing: meh'),
    (CHECK, {"Name": "t-two", "ServiceID": "t1", "TTL": "60s"}, 'Aliased check "t-two" failing: '),
    ("/v1/agent/check/pass/t-two", None, 'Aliased check "beat" failing: meh'),
    (
        "/v1/agent/check/update/t-beat",
        {"Status": "critical", "Output": "x" * 5000},
        f'Aliased check "beat" failing: {CUT}',
    ),
    ("/v1/agent/check/pass/t-beat", None, "All checks passing."),
    ("/v1/agent/service/maintenance/t1?enable=true", None, 'Aliased check "Service Maintenance Mode" failing: '),
]
"""What follows the end of the service is a race in Consul: it may look between the end of its checks and its own."""


async def test_an_alias_is_what_its_service_is(alone: Both) -> None:
    beat = {"TTL": "60s", "Name": "beat", "CheckID": "t-beat"}
    await alone.ask("PUT", REGISTER, {"Name": "t", "ID": "t1", "Check": beat})
    await alone.ask("PUT", REGISTER, {"Name": "follower"})
    await alone.ask("PUT", CHECK, {"Name": "like-t", "AliasService": "t1", "ServiceID": "follower"})
    for path, body, output in ALIAS_STEPS:
        await alone.ask("PUT", path, body)
        await alone.settled("/v1/agent/checks", lambda found, said=output: found["like-t"]["Output"] == said)
        await alone.ask("GET", "/v1/agent/checks")


ALIASES = {
    "of-service": ({"AliasNode": "ext", "AliasService": "es1"}, 'Aliased check "sc" failing: '),
    "of-node": ({"AliasNode": "ext"}, "All checks passing."),
    "of-none": ({"AliasNode": "ext", "AliasService": "nope"}, "Service nope could not be found on node ext"),
}


async def test_an_alias_follows_another_node(alone: Both) -> None:
    node = {"Node": "ext", "Address": "10.0.0.1"}
    of_node = {"CheckID": "nc", "Name": "nc", "Status": "passing"}
    of_service = {"CheckID": "sc", "Name": "sc", "ServiceID": "es1", "Status": "warning"}
    await alone.ask("PUT", "/v1/catalog/register", {**node, "Check": of_node})
    service = {"Service": {"Service": "es", "ID": "es1"}, "Check": of_service}
    await alone.ask("PUT", "/v1/catalog/register", {**node, **service})
    for name, (alias, output) in ALIASES.items():
        await alone.ask("PUT", CHECK, {"Name": name, **alias})
        # Consul's alias looks before the check is there, and what it finds then may be lost until the next change.
        await alone.ask("PUT", "/v1/catalog/register", {**node, "Check": {**of_node, "Output": f"{name} is there"}})
        await alone.settled("/v1/agent/checks", lambda found, id_=name, said=output: found[id_]["Output"] == said)
    await alone.ask("PUT", "/v1/catalog/register", {**node, "Check": {**of_node, "Status": "critical", "Output": "o"}})
    for name in ("of-service", "of-node"):
        await alone.settled("/v1/agent/checks", lambda found, id_=name: found[id_]["Output"].endswith("failing: o"))
    await alone.ask("GET", "/v1/agent/checks")


SCRIPTS: dict[str, dict[str, Any]] = {
    "passing": {"Args": ["sh", "-c", "echo hi"]},
    "warning": {"Args": ["sh", "-c", "echo meh; exit 1"]},
    "critical": {"ScriptArgs": ["sh", "-c", "echo bad >&2; exit 2"]},
    "killed": {"Args": ["sh", "-c", "echo x; kill -9 $$"]},
    "no shell": {"Args": ["echo", "$HOME;", "a  b"]},
    "long": {"Args": ["sh", "-c", "head -c 5000 /dev/zero | tr '\\0' x; echo END"]},
    "limit": {"Args": ["sh", "-c", "echo abcdefghij"], "OutputMaxSize": 5},
    "no file": {"Args": ["/nonexistent/x"]},
    "no program": {"Args": ["no-such-program"]},
    "no right": {"Args": ["/etc/passwd"]},
    "empty": {"Args": [""]},
    "slow": {"Args": ["sh", "-c", "echo begun; sleep 60"], "Timeout": "1s"},
    "shell": {"Args": ["echo", "x"], "Shell": "/bin/sh"},
}


async def test_programs_are_run_alike(consul_binary: str, ask: Any) -> None:
    settings = Settings(http="127.0.0.1:0", enable_script_checks=True)
    with ConsulServer(consul_binary, "-hcl", "enable_script_checks = true") as consul:
        async with Agent.configured(lambda: settings) as agent:
            both = Both(consul.address, agent.address, ask)
            for name, check in SCRIPTS.items():
                await both.ask("PUT", CHECK, {"Name": name, "Interval": "1s", **check})
            await both.ask("PUT", CHECK, {"Name": "x", "Args": ["true"], "AliasService": "x", "Interval": "1s"})
            await both.settled("/v1/agent/checks", lambda found: all(found[name]["Output"] for name in SCRIPTS))
            await both.settled("/v1/agent/checks", lambda found: "begun" in found["slow"]["Output"])
            await both.ask("GET", "/v1/agent/checks")
