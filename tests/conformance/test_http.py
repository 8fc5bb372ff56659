"""Paths, methods and headers."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"


PLACES = [
    ("GET", "/"),
    ("GET", "/?wait=1s"),
    ("GET", "/nope"),
    ("GET", "/v1"),
    ("GET", "/v1/"),
    ("GET", "/v1/nope"),
    ("GET", "/v1//agent/self"),
    ("GET", "/v1/agent/./services"),
    ("GET", "/v1/agent/x/../services?pretty"),
    ("PUT", "/v1//agent/services"),
    *(("GET", f"/v1/{path}") for path in ("kv/.", "kv/..", "kv/a/.", "kv/a/..", "kv/a/./", "agent/..", "..")),
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
        *(
            {"Accept-Encoding": value}
            for value in (
                "gzip;q=",
                "gzip;q= 0.5",
                "GZIP;Q=.5",
                "gzip;q=0e1",
                "gzip;q=-1",
                "gzip;level=1",
                "gzip;q=NaN",
            )
        ),
        {"Accept-Encoding": "gzip;q=0, gzip"},
        {"Accept-Encoding": "gzip, gzip;q=0"},
        {"X-Consul-Namespace": "x"},
        {"X-Consul-Token": "anything"},
        {"Host": "elsewhere.example"},
    ],
)
async def test_headers(both: Any, headers: dict[str, str]) -> None:
    for path in ("/v1/agent/service/nope", "/v1/health/service/nope", "/v1/nope"):
        await both.ask("GET", path, None, headers)
    await both.ask("PUT", "/v1/agent/service/deregister/nope", None, headers)


_PARAMETERS = (
    *("wait=10", "index=x", "dc=DC1", "dc=nope", "wait=10&dc=nope", "max_stale=x", "max_stale=1s"),
    *("max_stale=1s&consistent", "stale&consistent", "cached&consistent", "ns=x", "ns=&wait=1s"),
)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("GET", f"/v1/{path}") for path in ("status/leader", "catalog/nodes", "health/service/nope", "kv/nope")),
        *(("GET", f"/v1/operator/{path}/configuration") for path in ("raft", "autopilot")),
        *(("GET", f"/v1/{path}") for path in ("query", "coordinate/node/nope", "config/service-defaults/nope")),
        *(("GET", f"/v1/session/{path}") for path in ("node/nope", "info/01234567-89ab-cdef-0123-456789abcdef")),
        ("PUT", "/v1/session/renew/01234567-89ab-cdef-0123-456789abcdef"),
        ("PUT", "/v1/agent/check/update/nope"),
        ("PUT", "/v1/agent/check/pass/nope"),
        ("DELETE", "/v1/kv/nope"),
    ],
)
async def test_parameters_that_are_wrong_or_contradict_each_other(both: Any, method: str, path: str) -> None:
    for parameters in _PARAMETERS:
        real, ours = await both.each(method, f"{path}?{parameters}")
        told = [(*both.comparable(reply)[:2], "" if reply.status == 200 else reply.text) for reply in (real, ours)]
        assert told[1] == told[0], parameters


REQUESTS = [
    ("GET", "/v1/health/service/nope"),
    ("GET", "/v1/health/service/nope?cached"),
    ("GET", "/v1/agent/services"),
    ("GET", "/v1/agent/service/case"),
    ("GET", "/v1/agent/health/service/id/case"),
    ("GET", "/v1/kv/case?raw"),
    ("GET", "/v1/kv/nope"),
    ("GET", "/v1//agent/services"),
    ("POST", "/v1/agent/services"),
    ("PUT", "/v1/kv/case"),
]
HEADERS = [b"", b"Accept-Encoding: gzip\r\n", b"Connection: close\r\n"]


async def test_names_of_headers_are_spelled_alike(both: Any) -> None:
    """To HTTP their case means nothing, but to `curl -i | grep X-Consul-Index` it does."""
    await both.each("PUT", REGISTER, {"Name": "case"})
    for ways in ([b"12345"], [b"123", b"45"]):  # at once, and by a task, as what comes in several parts is answered
        for method, path in [("PUT", "/v1/kv/case"), *REQUESTS]:
            for header in HEADERS:
                head = f"{method} {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n".encode() + header + b"\r\n"
                real, ours = [await sent_names(address, head, ways) for address in (both.real, both.agent)]
                known = {name.lower() for name in real}
                assert {name for name in ours if name.lower() in known} <= real, (method, path, header)
    await both.each("DELETE", "/v1/kv/case")


async def sent_names(address: str, head: bytes, parts: list[bytes]) -> set[str]:
    """The names of an answer's headers, as they are on the wire."""
    reader, writer = await asyncio.open_connection(*address.split(":"))
    try:
        writer.write(head + parts[0])
        for part in parts[1:]:
            await asyncio.sleep(0.005)  # else both may come in one read
            writer.write(part)
        lines = (await reader.readuntil(b"\r\n\r\n")).decode().splitlines()[1:-1]
    finally:
        writer.close()
    return {line.partition(":")[0] for line in lines}


async def test_what_follows_a_head_is_the_next_answer(both: Any) -> None:
    """An answer to HEAD has no body (RFC 9110 section 9.3.2), though it tells its length."""
    for address in (both.real, both.agent):
        reader, writer = await asyncio.open_connection(*address.split(":"))
        for method in ("HEAD", "GET"):
            writer.write(f"{method} /v1/status/leader HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        heads = [await reader.readuntil(b"\r\n\r\n") for _ in range(2)]
        writer.close()
        assert [head.partition(b"\r\n")[0] for head in heads] == [
            b"HTTP/1.1 405 Method Not Allowed",
            b"HTTP/1.1 200 OK",
        ]
