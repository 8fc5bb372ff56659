"""Looks at ports."""

from __future__ import annotations

import pytest
from tests.agent.checks.listening import SOON, listening

from muster.agent.checks import tcp
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.state import Result
from muster.model.check import Health

pytestmark = pytest.mark.anyio


async def test_tcp_is_well_if_it_takes_a_connection() -> None:
    async with listening(lambda _: b"") as address:
        assert await tcp.look(CheckDefinition(Kind.TCP, address)) == Result(
            Health.PASSING, f"TCP connect {address}: Success"
        )


@pytest.mark.parametrize(
    ("target", "output"),
    [
        ("127.0.0.1:1", "dial tcp 127.0.0.1:1: connect: connection refused"),
        ("nonsense", "dial tcp: address nonsense: missing port in address"),
        ("::1:80", "dial tcp: address ::1:80: too many colons in address"),
        ("127.0.0.1:70000", "dial tcp: address 70000: invalid port"),
        ("nope.invalid:80", "dial tcp: lookup nope.invalid: no such host"),
    ],
)
async def test_tcp_failures_are_in_gos_words(target: str, output: str) -> None:
    assert await tcp.look(CheckDefinition(Kind.TCP, target, timeout=SOON)) == Result(Health.CRITICAL, output)
