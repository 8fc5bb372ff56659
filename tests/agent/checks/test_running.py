"""Checks that run: on real sockets, with short intervals."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random

import grpc.aio
import pytest
import trustme
from grpc_health.v1 import health, health_pb2, health_pb2_grpc

from muster.agent.checks import grpc as grpc_check
from muster.agent.checks import tcp
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.http import HTTPLooks
from muster.agent.checks.running import RunningChecks
from muster.agent.checks.state import Result
from muster.model.check import Health

pytestmark = pytest.mark.anyio

SOON = 10.0
Answer = Callable[[str], bytes]


@asynccontextmanager
async def listening(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """A server of ours that answers each request, whose head it gets as text, with bytes, and then closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            head = await reader.readuntil(b"\r\n\r\n")
            writer.write(answer(head.decode()))
            await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=tls)
    async with server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def http_answer(status: str, body: bytes = b"body", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


@asynccontextmanager
async def http_look() -> AsyncIterator[Callable[[CheckDefinition], Awaitable[Result]]]:
    async with AsyncExitStack() as stack:
        yield HTTPLooks(stack).look


def http(url: str, **more: object) -> CheckDefinition:
    return CheckDefinition(Kind.HTTP, url, interval=1.0, **{"timeout": SOON, **more})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("status", "health_of_it"),
    [
        ("200 OK", Health.PASSING),
        ("201 Created", Health.PASSING),
        ("299 Odd", Health.PASSING),
        ("429 Too Many Requests", Health.WARNING),
        ("403 Forbidden", Health.CRITICAL),
        ("404 Not Found", Health.CRITICAL),
        ("500 Internal Server Error", Health.CRITICAL),
    ],
)
async def test_the_status_is_the_health(status: str, health_of_it: Health) -> None:
    async with listening(lambda _: http_answer(status)) as address, http_look() as look:
        result = await look(http(f"http://{address}/x"))
    assert result == Result(health_of_it, f"HTTP GET http://{address}/x: {status} Output: body")


async def test_the_request_is_consuls_with_the_checks_headers_above() -> None:
    heads: list[str] = []

    def answer(head: str) -> bytes:
        heads.append(head)
        return http_answer("200 OK")

    async with listening(answer) as address, http_look() as look:
        await look(http(f"http://{address}/"))
        headers = {"User-Agent": ("me",), "host": ("h.example",), "X-Two": ("1", "2")}
        await look(http(f"http://{address}/", method="POST", body="data", headers=headers))
    plain, special = (head.splitlines() for head in heads)
    assert plain[0] == "GET / HTTP/1.1"
    assert {"User-Agent: Consul Health Check", "Accept: text/plain, text/*, */*", "Connection: close"} <= set(plain)
    assert special[0] == "POST / HTTP/1.1"
    assert {"User-Agent: me", "Host: h.example", "X-Two: 1", "Content-Length: 4"} <= set(special)


async def test_redirects_are_followed() -> None:
    def answer(head: str) -> bytes:
        if head.startswith("GET /here "):
            return http_answer("302 Found", b"", "Location: /there")
        return http_answer("200 OK", b"arrived")

    async with listening(answer) as address, http_look() as look:
        result = await look(http(f"http://{address}/here"))
    assert result == Result(Health.PASSING, f"HTTP GET http://{address}/here: 200 OK Output: arrived")


async def test_of_a_long_answer_the_end_is_kept_and_no_more_than_a_mebibyte_read() -> None:
    async with listening(lambda _: http_answer("200 OK", b"x" * 5000 + b"END")) as address, http_look() as look:
        usual = await look(http(f"http://{address}/"))
        short = await look(http(f"http://{address}/", output_limit=5))
    assert usual.output.endswith("x" * 4093 + "END")
    assert short.output.endswith("Output: xxEND")
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * (4 << 20)
    async with listening(lambda _: endless) as address, http_look() as look:
        assert (await look(http(f"http://{address}/"))).health is Health.PASSING


async def test_failures_are_results_in_gos_words() -> None:
    async with listening(lambda _: b"garbage\r\n\r\n") as address, http_look() as look:
        assert (await look(http(f"http://{address}/"))).health is Health.CRITICAL
    async with http_look() as look:
        refused = await look(http("http://127.0.0.1:1/"))
        assert refused.output == 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused'
        nonsense = await look(http("nonsense"))
        assert nonsense.output == 'Get "nonsense": unsupported protocol scheme ""'
        assert (await look(http("http://nope.invalid/"))).output.endswith("no such host")


async def test_a_target_that_says_nothing_is_given_up() -> None:
    silent = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await silent.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server, http_look() as look:
        address = f"127.0.0.1:{server.sockets[0].getsockname()[1]}"
        result = await look(http(f"http://{address}/", timeout=0.05))
        silent.set()
    assert result.output.endswith("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")


async def test_tls_is_verified_unless_told() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with listening(lambda _: http_answer("200 OK"), context) as address, http_look() as look:
        assert (await look(http(f"https://{address}/"))).health is Health.CRITICAL
        assert (await look(http(f"https://{address}/", tls_skip_verify=True))).health is Health.PASSING


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


@asynccontextmanager
async def grpc_server(credentials: grpc.ServerCredentials | None = None) -> AsyncIterator[str]:
    server = grpc.aio.server()
    servicer = health.aio.HealthServicer()  # pyright: ignore[reportAttributeAccessIssue]
    await servicer.set("up", health_pb2.HealthCheckResponse.SERVING)
    await servicer.set("down", health_pb2.HealthCheckResponse.NOT_SERVING)
    health_pb2_grpc.add_HealthServicer_to_server(servicer, server)
    if credentials is None:
        port = server.add_insecure_port("127.0.0.1:0")
    else:
        port = server.add_secure_port("127.0.0.1:0", credentials)
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)


async def test_grpc_asks_the_health_service() -> None:
    async with grpc_server() as address:
        up, down, unknown, overall = [
            await grpc_check.look(CheckDefinition(Kind.GRPC, target, timeout=SOON))
            for target in (f"{address}/up", f"{address}/down", f"{address}/unknown", address)
        ]
    assert up == Result(Health.PASSING, f"gRPC check {address}/up: success")
    assert down == Result(Health.CRITICAL, "gRPC application didn't report service healthy")
    assert unknown.health is Health.CRITICAL and "code = NotFound" in unknown.output
    assert overall.health is Health.PASSING


async def test_grpc_failures_are_results() -> None:
    refused = await grpc_check.look(CheckDefinition(Kind.GRPC, "127.0.0.1:1/x", timeout=SOON))
    assert refused.health is Health.CRITICAL and refused.output.startswith("rpc error: code = Unavailable desc = ")
    nonsense = await grpc_check.look(CheckDefinition(Kind.GRPC, "nonsense", timeout=SOON))
    assert "missing port" in nonsense.output


async def test_grpc_over_tls_can_go_unverified() -> None:
    certificate = trustme.CA().issue_cert("service.example")
    credentials = grpc.ssl_server_credentials(
        [(certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes())]
    )
    async with grpc_server(credentials) as address:
        verified = await grpc_check.look(CheckDefinition(Kind.GRPC, f"{address}/up", timeout=SOON, tls=True))
        unverified = await grpc_check.look(
            CheckDefinition(Kind.GRPC, f"{address}/up", timeout=SOON, tls=True, tls_skip_verify=True)
        )
    assert verified.health is Health.CRITICAL
    assert unverified.health is Health.PASSING


class Heard:
    """Collects what running checks report, and lets a test wait for it."""

    def __init__(self) -> None:
        self.results: asyncio.Queue[tuple[str, Result]] = asyncio.Queue()
        self.silent: asyncio.Queue[str] = asyncio.Queue()

    def running(self) -> RunningChecks:
        return RunningChecks(
            lambda check_id, result: self.results.put_nowait((check_id, result)),
            self.silent.put_nowait,
            shortest_interval=0.01,
            rng=Random(1),
        )


async def test_a_check_looks_again_and_again_until_it_is_stopped() -> None:
    heard = Heard()
    async with heard.running() as running, asyncio.timeout(SOON):
        async with listening(lambda _: b"") as address:
            running.start("c", CheckDefinition(Kind.TCP, address, interval=0.01))
            assert (await heard.results.get())[1].health is Health.PASSING
        while (await heard.results.get())[1].health is not Health.CRITICAL:
            pass
        assert (running.monitors, running.countdowns) == (1, 0)
        running.stop("c")
        running.stop("c")
        assert running.monitors == 0


async def test_a_ttl_check_falls_silent_unless_renewed() -> None:
    heard = Heard()
    async with heard.running() as running, asyncio.timeout(SOON):
        running.start("c", CheckDefinition(Kind.TTL, ttl=0.05))
        assert await heard.silent.get() == "c"
        assert heard.silent.empty()
        assert running.renew("c")
        assert await heard.silent.get() == "c"
        assert not running.renew("other")


async def test_a_check_that_is_started_again_has_its_time_anew() -> None:
    heard, loop = Heard(), asyncio.get_running_loop()
    async with heard.running() as running, asyncio.timeout(SOON):
        running.start("c", CheckDefinition(Kind.TTL, ttl=0.02))
        running.start("c", CheckDefinition(Kind.TTL, ttl=0.2))
        begun = loop.time()
        await heard.silent.get()
        assert loop.time() - begun >= 0.19


async def test_a_fault_of_a_look_is_a_critical_result(monkeypatch: pytest.MonkeyPatch) -> None:
    async def broken(definition: CheckDefinition) -> Result:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(tcp, "look", broken)
    heard = Heard()
    async with heard.running() as running, asyncio.timeout(SOON):
        running.start("c", CheckDefinition(Kind.TCP, "127.0.0.1:1", interval=0.01))
        _, result = await heard.results.get()
    assert result.health is Health.CRITICAL and "oops" in result.output
