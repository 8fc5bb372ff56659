"""Registering instances, and how they look afterwards."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"

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


async def test_registrations_are_refused_in_the_same_words(both: Any) -> None:
    for body in REFUSED_SERVICES:
        status, _, _ = await both.ask("PUT", REGISTER, body)
        assert status in (400, 500)


SERVICES: list[dict[str, Any]] = [
    {"Name": "bare"},
    {"Name": "tagged", "Tags": ["b", "a", "b", ""], "Port": 80},
    {"Name": "nulls", "Tags": [None, "a"], "Meta": {"k": None}, "Check": {"TTL": "10s", "Header": None}},
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


async def test_services_look_the_same_everywhere(both: Any) -> None:
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


async def test_registering_again_keeps_states_and_replaces_checks_if_asked(both: Any) -> None:
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


async def test_maintenance_is_a_critical_check(both: Any) -> None:
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


CHECK_WITH_EVERY_FIELD: dict[str, Any] = {
    "CheckID": "every-check",
    "Name": "n",
    "Notes": "o",
    "Status": "passing",
    "HTTP": "http://127.0.0.1:1/",
    "Header": {"A": ["b", "c"]},
    "Method": "PUT",
    "Body": "x",
    "Interval": "600s",
    "Timeout": "5s",
    "TLSSkipVerify": True,
    "SuccessBeforePassing": 2,
    "FailuresBeforeCritical": 3,
    "DeregisterCriticalServiceAfter": "90m",
    "OutputMaxSize": 100,
}
OTHER_CHECK: dict[str, Any] = {
    "check_id": "",
    "name": "m",
    "grpc": "127.0.0.1:1/x",
    "GRPCUseTLS": True,
    "interval": "600s",
    "tls_skip_verify": True,
    "deregister_critical_service_after": "90m",
}
SIDECAR = {"DestinationServiceName": "every", "DestinationServiceID": "every-1", "LocalServiceAddress": "127.0.0.1"}
WITH_EVERY_FIELD: list[dict[str, Any]] = [
    {
        "Kind": "",
        "ID": "every-1",
        "Name": "every",
        "Tags": ["b", "a"],
        "Address": "10.0.0.1",
        "TaggedAddresses": {"lan": {"Address": "10.0.0.2", "Port": 81}, "wan": {"Address": "203.0.113.1", "Port": 82}},
        "Meta": {"k": "v"},
        "Port": 80,
        "Check": CHECK_WITH_EVERY_FIELD,
        "Checks": [{key: value for key, value in OTHER_CHECK.items() if key != "check_id"}, {"TTL": "600s"}],
        "Weights": {"Passing": 10, "Warning": 3},
        "Token": "t",
        "EnableTagOverride": True,
        "Connect": {"Native": True},
    },
    {
        "id": "every-2",
        "name": "every",
        "tags": ["b"],
        "address": "10.0.0.1",
        "tagged_addresses": {"lan": {"address": "10.0.0.2", "port": 81}},
        "meta": {"k": "v"},
        "port": 80,
        "check": {"ttl": "600s", "service_id": "ignored", "notes": "n"},
        "weights": {"passing": 10, "warning": 3},
        "enable_tag_override": True,
        "connect": {"native": True},
    },
    {
        "Kind": "connect-proxy",
        "Name": "every-proxy",
        "Port": 21000,
        "Proxy": {
            **SIDECAR,
            "LocalServicePort": 80,
            "Config": {"a": {"b_c": [1, "2"]}, "protocol": "http"},
            "Upstreams": [
                {"DestinationName": "db", "LocalBindPort": 1234, "Datacenter": "dc1", "Config": {"x": 1}},
                {"DestinationType": "prepared_query", "DestinationName": "q", "LocalBindPort": 1235},
            ],
            "MeshGateway": {"Mode": "local"},
            "Expose": {"Checks": False, "Paths": [{"Path": "/x", "LocalPathPort": 80, "ListenerPort": 81}]},
        },
    },
]


@pytest.mark.parametrize("service", WITH_EVERY_FIELD, ids=lambda service: str(service.get("ID") or service.get("id")))
async def test_every_field_is_kept_and_given_back(both: Any, service: dict[str, Any]) -> None:
    service_id = service.get("ID") or service.get("id") or service["Name"]
    name = service.get("Name") or service["name"]
    try:
        assert (await both.ask("PUT", REGISTER, service))[0] == 200
        for path in (
            f"/v1/agent/service/{service_id}",
            "/v1/agent/services",
            "/v1/agent/checks",
            f"/v1/catalog/service/{name}",
            "/v1/catalog/connect/every",
            f"/v1/health/service/{name}",
            f"/v1/health/checks/{name}",
        ):
            await both.ask("GET", path)
    finally:
        await both.each("PUT", f"/v1/agent/service/deregister/{service_id}")
