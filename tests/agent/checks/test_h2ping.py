"""Looks at HTTP/2 servers."""

from __future__ import annotations

import grpc.aio
import pytest
import trustme
from tests.agent.checks.listening import SOON, talking

from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.h2ping import look
from muster.agent.checks.state import Result
from muster.model.check import Health

pytestmark = pytest.mark.anyio


def h2ping(target: str, timeout: float = SOON, *, tls: bool = False, tls_skip_verify: bool = False) -> CheckDefinition:
    return CheckDefinition(Kind.H2PING, target, interval=1.0, timeout=timeout, tls=tls, tls_skip_verify=tls_skip_verify)


async def test_a_server_that_answers_a_ping_is_well() -> None:
    certificate = trustme.CA().issue_cert("service.example")
    credentials = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())]
    )
    server = grpc.aio.server()
    plain = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    secure = f"127.0.0.1:{server.add_secure_port('127.0.0.1:0', credentials)}"
    await server.start()
    try:
        results = [
            await look(h2ping(plain)),
            await look(h2ping(secure, tls=True, tls_skip_verify=True)),
            await look(h2ping(secure, tls=True)),
        ]
    finally:
        await server.stop(None)
    well = Result(Health.PASSING, "HTTP2 ping was successful")
    unknown = Result(Health.CRITICAL, f"Failed to dial to {secure}: x509: certificate signed by unknown authority")
    assert results == [well, well, unknown]


GOAWAY = b"\0\0\x08\x07\0" + bytes(12)
OTHER_PING = b"\0\0\x08\x06\x01" + bytes(4) + b"another!"


@pytest.mark.parametrize(
    ("said", "timeout", "output"),
    [
        (b"", 0.1, "HTTP2 ping failed: context deadline exceeded"),
        (OTHER_PING, 0.1, "HTTP2 ping failed: context deadline exceeded"),
        (GOAWAY, SOON, "HTTP2 ping failed: http2: server sent GOAWAY and closed the connection"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", SOON, "HTTP2 ping failed: http2: frame too large"),
    ],
)
async def test_any_other_answer_is_none(said: bytes, timeout: float, output: str) -> None:
    async with talking(said) as address:
        assert await look(h2ping(address, timeout)) == Result(Health.CRITICAL, output)


async def test_failures_are_results_in_gos_words() -> None:
    refused = await look(h2ping("127.0.0.1:1"))
    assert refused.output == "Failed to dial to 127.0.0.1:1: dial tcp 127.0.0.1:1: connect: connection refused"
    nonsense = await look(h2ping("nonsense"))
    assert nonsense.output == "Failed to dial to nonsense: dial tcp: address nonsense: missing port in address"
