"""Config entries: what is taken, what is refused and how, and how they look afterwards."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

CONFIG = "/v1/config"

REFUSED: list[Any] = [
    "",
    "null",
    "{",
    "[]",
    {},
    {"Kind": 3},
    {"Kind": "bogus"},
    {"Kind": "service-intentions", "Name": "x"},
    {"KIND": "service-defaults", "Name": "x"},
    {"Kind": "service-defaults"},
    {"Kind": "service-defaults", "Name": "x", "Bogus": 1},
    {"Kind": "service-defaults", "Name": "x", "Namespace": "y"},
    {"Kind": "service-defaults", "Name": "x", "Protocol": {}},
    {"Kind": "service-defaults", "Name": "x", "Protocol": ["a", "b"]},
    {"Kind": "service-defaults", "Name": "x", "protocol": "a", "Protocol": "b"},
    {"Kind": "service-defaults", "Name": "x", "MeshGateway": "y"},
    {"Kind": "service-defaults", "Name": "x", "MeshGateway": {"Mode": "x", "Zap": 1}},
    {"Kind": "service-defaults", "Name": "x", "Expose": []},
    {"Kind": "service-defaults", "Name": "x", "Expose": {"Checks": "maybe"}},
    {"Kind": "service-defaults", "Name": "x", "Expose": {"Paths": "x"}},
    {"Kind": "service-defaults", "Name": "x", "Expose": {"Paths": [{"ListenerPort": "zz"}]}},
    {"Kind": "service-defaults", "Name": "x", "Expose": {"Paths": [{"Path": "/x", "Zzz": 1}]}},
    {"Kind": "proxy-defaults", "Name": "global", "Config": "x"},
    {"Kind": "service-splitter", "Name": "x"},
    {"Kind": "service-splitter", "Name": "x", "Splits": [{"Weight": 90}, {"Weight": 9, "Service": "y"}]},
    {"Kind": "service-resolver"},
    {"Kind": "service-resolver", "Name": "x", "DefaultSubset": "nope"},
    {"Kind": "service-resolver", "Name": "x", "ConnectTimeout": "zz"},
    {"Kind": "service-resolver", "Name": "x", "ConnectTimeout": "-5s"},
    {"Kind": "service-resolver", "Name": "x", "LoadBalancer": {}},
    {"Kind": "ingress-gateway", "Name": "x", "Listeners": [{"Port": 1, "Protocol": "xx", "Services": []}]},
    {"Kind": "ingress-gateway", "Name": "x", "Listeners": [{"Port": 1, "Protocol": "tcp", "Services": []}]},
    {"Kind": "ingress-gateway", "Name": "x", "Listeners": [{"Port": 1, "Services": [{"Name": "*"}]}]},
    {"Kind": "terminating-gateway", "Name": "x", "Services": [{"Name": ""}]},
    {"Kind": "terminating-gateway", "Name": "x", "Services": [{"Name": "a"}, {"Name": "a"}]},
    {"Kind": "terminating-gateway", "Name": "x", "Services": [{"Name": "a", "KeyFile": "k"}]},
]


async def test_entries_are_refused_in_the_same_words(both: Any) -> None:
    for body in REFUSED:
        status, _, _ = await both.ask("PUT", CONFIG, body)
        assert status in (400, 500)


PATHS = [{"Path": "/x", "LocalPathPort": 80, "ListenerPort": "81", "Protocol": "http"}, {"Path": "/y"}]
WHERE = {
    "Service": "entry",
    "PrefixRewrite": "/",
    "RequestTimeout": "5s",
    "NumRetries": 3,
    "RetryOnConnectFailure": True,
    "RetryOnStatusCodes": [500, 503],
}
MATCH = {
    "PathExact": "/a",
    "Header": [{"Name": "x", "Present": True, "Invert": True}],
    "QueryParam": [{"Name": "q", "Exact": "1"}],
    "Methods": ["GET"],
}

SUBSETS = {"v1": {"Filter": "((", "OnlyPassing": True}, "v2": {}}
LISTENER = {"Port": 8080, "Protocol": "http", "Services": [{"Name": "entry", "Hosts": ["a.com"]}, {"Name": "*"}]}
LINKED = {"Name": "entry", "CAFile": "a", "CertFile": "c", "KeyFile": "k", "SNI": "s"}

ENTRIES: list[dict[str, Any]] = [
    {"Kind": "service-defaults", "Name": "entry", "Protocol": "HTTP", "MeshGateway": {"Mode": "local"}},
    {"kind": "service-defaults", "name": "entry", "protocol": "http", "expose": {"checks": "true", "paths": PATHS}},
    {"Kind": "service-defaults", "Name": "entry", "Protocol": 5, "ExternalSNI": "s", "CreateIndex": 3},
    {"Kind": "service-defaults", "Name": "entry", "external_sni": "s", "mesh_gateway": {"mode": "remote"}},
    {"Kind": "service-defaults", "Name": "entry", "PROTOCOL": ["one"], "Expose": {"Paths": {"Path": "/z"}}},
    {"Kind": "service-defaults", "Name": "entry", "Protocol": None, "MeshGateway": None, "Expose": {"Checks": 1}},
    {"Kind": "service-defaults", "Name": "a b/c", "Protocol": True},
    {"Kind": "service-defaults", "Name": 3},
    {"Kind": "proxy-defaults", "Name": "any", "Config": {"protocol": "http", "n": 1.5, "m": {"a_b": [1]}}},
    {"Kind": "service-defaults", "Name": "entry", "Protocol": "http"},
    {"Kind": "service-router", "Name": "entry-r", "Routes": [{"Match": {"HTTP": MATCH}, "Destination": WHERE}, {}]},
    {"Kind": "service-router", "Name": "entry-r"},
    {"Kind": "service-splitter", "Name": "entry-s", "Splits": [{"Weight": 90}, {"Weight": 10, "Service": "entry-t"}]},
    {"Kind": "service-resolver", "Name": "entry-v", "DefaultSubset": "v1", "Subsets": SUBSETS},
    {"Kind": "service-resolver", "Name": "entry-v", "ConnectTimeout": "15s", "Failover": {"*": {"Datacenters": ["a"]}}},
    {"Kind": "service-resolver", "Name": "entry-v", "Redirect": {"Service": "other", "Datacenter": "dc2"}},
    {"Kind": "service-resolver", "Name": "entry-v", "connect_timeout": 5},
    {"Kind": "ingress-gateway", "Name": "entry-i", "TLS": {"Enabled": True}, "Listeners": [LISTENER]},
    {"Kind": "ingress-gateway", "Name": "entry-i"},
    {"Kind": "terminating-gateway", "Name": "entry-g", "Services": [LINKED, {"Name": "*"}]},
    {"Kind": "terminating-gateway", "Name": "entry-g"},
]


async def test_entries_look_the_same(both: Any) -> None:
    kinds: dict[tuple[str, str], None] = {}
    try:
        for entry in ENTRIES:
            kind, name = entry.get("Kind") or entry["kind"], str(entry.get("Name") or entry["name"])
            name = "global" if kind == "proxy-defaults" else name
            kinds[kind, name] = None
            assert (await both.ask("PUT", CONFIG, entry))[0] == 200
            assert (await both.ask("GET", f"{CONFIG}/{kind}/{name.replace(' ', '%20')}"))[0] == 200
        await both.ask("GET", f"{CONFIG}/service-defaults")
        await both.ask("GET", f"{CONFIG}/service-defaults/ENTRY")
        await both.ask("GET", f"{CONFIG}/proxy-defaults?filter=x==y&stale&pretty")
    finally:
        for kind, name in reversed(kinds):
            await both.ask("DELETE", f"{CONFIG}/{kind}/{name.replace(' ', '%20')}")
    await both.ask("GET", f"{CONFIG}/service-defaults/entry")


async def test_paths_and_methods_that_are_none(both: Any) -> None:
    await both.ask("PUT", CONFIG, {"Kind": "service-defaults", "Name": "first"})
    await both.ask("DELETE", f"{CONFIG}/service-defaults/first")
    for method, path in (
        ("GET", ""),
        ("POST", ""),
        ("DELETE", ""),
        ("OPTIONS", ""),
        ("OPTIONS", "/x"),
        ("PUT", "/service-defaults/x"),
        ("GET", "/"),
        ("GET", "/bogus"),
        ("GET", "/bogus/x"),
        ("GET", "/service-defaults/"),
        ("GET", "/service-defaults?dc=nowhere"),
        ("GET", "/service-defaults?index=x"),
        ("DELETE", "/service-defaults"),
        ("DELETE", "/bogus/x"),
        ("DELETE", "/service-defaults/never-was"),
    ):
        await both.ask(method, CONFIG + path)


async def test_an_entry_is_written_only_at_the_index_that_is_told(both: Any) -> None:
    entry = {"Kind": "service-defaults", "Name": "at-index"}
    try:
        for cas in ("1", "0", "0", "x", "", "99999999999999999999"):
            await both.ask("PUT", f"{CONFIG}?cas={cas}", entry)
        for address in (both.real, both.agent):
            path = f"{CONFIG}/service-defaults/at-index"
            index = (await both.send(address, "GET", path)).json["ModifyIndex"]
            assert (await both.send(address, "PUT", f"{CONFIG}?cas={index}", entry)).json is True
            assert (await both.send(address, "PUT", f"{CONFIG}?cas={index}", entry)).json is False
    finally:
        await both.each("DELETE", f"{CONFIG}/service-defaults/at-index")


@pytest.mark.parametrize("path", ["service-defaults", "service-defaults/awaited", "service-defaults/AWAITED"])
async def test_a_write_ends_a_wait(both: Any, path: str) -> None:
    for address in (both.real, both.agent):
        await both.send(address, "PUT", CONFIG, {"Kind": "service-defaults", "Name": "awaited"})
        index = (await both.send(address, "GET", f"{CONFIG}/{path}")).index
        async with asyncio.TaskGroup() as group:
            waiting = group.create_task(both.send(address, "GET", f"{CONFIG}/{path}?index={index}&wait=20s"))
            await asyncio.sleep(0.05)  # so that it waits; if it comes only after the write, it is told the same
            assert not waiting.done()
            await both.send(address, "PUT", CONFIG, {"Kind": "service-defaults", "Name": "awaited", "Protocol": "grpc"})
        assert waiting.result().index > index
        await both.send(address, "DELETE", f"{CONFIG}/service-defaults/awaited")


AUTOPILOT = "/v1/operator/autopilot/configuration"


async def test_autopilots_settings_are_kept(both: Any) -> None:
    full = {
        "cleanupdeadservers": False,
        "MaxTrailingLogs": 10,
        "LastContactThreshold": "1s",
        "ServerStabilizationTime": 1_000_000_000,
        "MinQuorum": 2,
        "RedundancyZoneTag": "z",
        "ModifyIndex": 3,
    }
    defaults = {"CleanupDeadServers": True, "LastContactThreshold": "200ms", "MaxTrailingLogs": 250}
    try:
        for path, body in (
            ("", full),
            ("", {}),
            ("", "null"),
            ("", ""),
            ("", {"Bogus": 1}),
            ("", {"MaxTrailingLogs": -1}),
            ("", {"MinQuorum": -1}),
            ("", {"LastContactThreshold": "zz"}),
            ("", {"LastContactThreshold": 3, "ServerStabilizationTime": "-1s"}),
            ("?cas=0", {}),
            ("?cas=x", {}),
            ("?cas=", {}),
            ("?dc=nowhere", {}),
        ):
            await both.ask("PUT", AUTOPILOT + path, body)
            await both.ask("GET", AUTOPILOT)
        for address in (both.real, both.agent):
            index = (await both.send(address, "GET", AUTOPILOT)).json["ModifyIndex"]
            assert (await both.send(address, "PUT", f"{AUTOPILOT}?cas={index}", {})).json is True
            assert (await both.send(address, "PUT", f"{AUTOPILOT}?cas={index}", {})).json is False
    finally:
        await both.each("PUT", AUTOPILOT, {**defaults, "ServerStabilizationTime": "10s"})
