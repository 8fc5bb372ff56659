"""Registering checks, reporting on them, and what those that look find."""

from __future__ import annotations

from typing import Any

import pytest

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
