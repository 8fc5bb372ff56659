"""Filters: the same elements left, the same words for what is none."""

from __future__ import annotations

import random
from typing import Any
from urllib.parse import quote

import pytest

pytestmark = pytest.mark.anyio

REGISTER = "/v1/agent/service/register"

SERVICES: list[dict[str, object]] = [
    {"Name": "sieve", "ID": "s1", "Tags": ["v1", "x"], "Port": 80, "Meta": {"env": "prod"}, "Check": {"TTL": "60s"}},
    {"Name": "sieve", "ID": "s2", "Address": "10.0.0.1", "Weights": {"Passing": 3}, "EnableTagOverride": True},
    {"Name": "sieve", "ID": "s3", "Tags": ["v2"], "Check": {"TTL": "60s", "Status": "passing", "Notes": "n"}},
]

OF_A_SERVICE = [
    "{}ID == s1",
    "{}ID != s1",
    "s in {}ID",
    "{}ID matches `^s[12]$`",
    "{}ID not matches `1`",
    "v1 in {}Tags",
    "{}Tags not contains v1",
    "{}Tags is empty",
    "{}Tags is not empty",
    "{}Meta.env == prod",
    "{}Meta.env != prod",
    "{}Meta.env matches prod",
    "env in {}Meta",
    "{}Meta is empty",
    "{}Port == 80",
    "{}Port == 0x50",
    "{}TaggedAddresses.lan_ipv4.Address == `10.0.0.1`",
    "{}TaggedAddresses is empty",
    "{}Weights.Passing == 3",
    "{}EnableTagOverride == true",
    "{}Proxy.DestinationServiceName == ``",
    "{}Proxy.Upstreams is empty",
    "{}Connect.Native == false",
    "{}Kind == ``",
    "{}Nope == 1",
    "{}Tags == 1",
    "{}Port matches 1",
    "{}Port == x",
    "{}EnableTagOverride == x",
    "{}ID matches `(`",
    "{}ID matches `[`",
    "{}ID matches `*`",
    "not ({}ID == s1 or {}ID == s2) and {}Port == 0",
]

PANICS = ("{}Proxy", "{}Connect")
"""Where an instance has none of these a real agent breaks the connection off."""


def at(path: str, text: str) -> str:
    return f"{path}?filter={quote(text)}"


async def test_filters_leave_the_same(both: Any) -> None:
    try:
        for service in SERVICES:
            await both.ask("PUT", REGISTER, service)
        for text in OF_A_SERVICE:
            if not text.startswith(PANICS):
                await both.ask("GET", at("/v1/agent/services", text.replace("{}", "")))
            await both.ask("GET", at("/v1/catalog/service/sieve", text.replace("{}", "Service")))
            await both.ask("GET", at("/v1/health/service/sieve", text.replace("{}", "Service.")))
        for text in ("Status == passing", "Status != passing", "v2 in ServiceTags", "Notes == n", "Nope == 1", "x ="):
            await both.ask("GET", at("/v1/agent/checks", text))
            await both.ask("GET", at("/v1/health/checks/sieve", text))
            await both.ask("GET", at("/v1/health/service/sieve", f"Checks.{text}"))
            if "!=" not in text:
                await both.ask("GET", at("/v1/health/state/any", f"ServiceName == sieve and {text}"))
        for text in ("Node == nowhere", "Datacenter == dc1", "Meta.x is empty", "Nope == 1", "Address matches `^127`"):
            await both.ask("GET", at("/v1/catalog/nodes", text))
    finally:
        for service in SERVICES:
            await both.each("PUT", f"/v1/agent/service/deregister/{service['ID']}")


PIECES = [
    *("Service", "Tags", "Meta.a", 'Meta["k"]', "Port", "a", "x", '"a"', "`b`", '"', "1", "-1", "1.5", "0x1"),
    *("==", "!=", "==a", "in", "not", "is", "empty", "contains", "matches", "and", "or"),
    *("(", ")", "[", '"k"', "]", ".", "\\", "é"),
]


async def test_what_is_no_filter_fails_in_the_same_words(both: Any) -> None:
    rng = random.Random(11)
    for _ in range(300):
        parts = (rng.choice(PIECES) + rng.choice(("", " ", " ", "\n")) for _ in range(rng.randint(1, 8)))
        await both.ask("GET", at("/v1/agent/services", "".join(parts)))
    await both.ask("GET", at("/v1/health/service/", "x"))
    await both.ask("GET", at("/v1/catalog/service/x", "x ==") + "&dc=nowhere")
    await both.ask("GET", at("/v1/catalog/services", "x =="))
