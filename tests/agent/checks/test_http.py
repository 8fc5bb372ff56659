"""Looks at URLs."""

from __future__ import annotations

import gzip
import ssl

import pytest
import trustme
from tests.agent.checks.listening import SOON, listening, talking

from muster.agent.checks import http as http_check
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.http import look
from muster.agent.checks.state import Result
from muster.model.check import Health

pytestmark = pytest.mark.anyio


def http_answer(status: str, body: bytes = b"body", *headers: str) -> bytes:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", "Connection: close", *headers]
    return "\r\n".join([*lines, "", ""]).encode() + body


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
    async with listening(lambda _: http_answer(status)) as address:
        result = await look(http(f"http://{address}/x"))
    assert result == Result(health_of_it, f"HTTP GET http://{address}/x: {status} Output: body")


async def test_the_request_is_consuls_with_the_checks_headers_above() -> None:
    heads: list[str] = []

    def answer(head: str) -> bytes:
        heads.append(head)
        return http_answer("200 OK")

    async with listening(answer) as address:
        await look(http(f"http://{address}/"))
        headers = {"User-Agent": ("me",), "host": ("h.example",), "X-Two": ("1", "2")}
        await look(http(f"http://{address}/", method="POST", body="data", headers=headers))
    plain, special = (head.splitlines() for head in heads)
    assert plain[0] == "GET / HTTP/1.1"
    assert {"User-Agent: Consul Health Check", "Accept: text/plain, text/*, */*", "Connection: close"} <= set(plain)
    assert special[0] == "POST / HTTP/1.1"
    assert {"User-Agent: me", "Host: h.example", "X-Two: 1", "X-Two: 2", "Content-Length: 4"} <= set(special)


async def test_redirects_are_followed() -> None:
    def answer(head: str) -> bytes:
        if head.startswith("GET /here "):
            return http_answer("302 Found", b"", "Location: /there")
        return http_answer("200 OK", b"arrived")

    async with listening(answer) as address:
        result = await look(http(f"http://{address}/here"))
    assert result == Result(Health.PASSING, f"HTTP GET http://{address}/here: 200 OK Output: arrived")


async def test_of_a_long_answer_the_end_is_kept_and_no_more_than_a_mebibyte_read() -> None:
    async with listening(lambda _: http_answer("200 OK", b"x" * 5000 + b"END")) as address:
        usual = await look(http(f"http://{address}/"))
        short = await look(http(f"http://{address}/", output_limit=5))
    assert usual.output.endswith("x" * 4093 + "END")
    assert short.output.endswith("Output: xxEND")
    endless = b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n" + b"x" * (4 << 20)
    async with listening(lambda _: endless) as address:
        assert (await look(http(f"http://{address}/"))).health is Health.PASSING


async def test_failures_are_results_in_gos_words() -> None:
    async with listening(lambda _: b"garbage\r\n\r\n") as address:
        assert (await look(http(f"http://{address}/"))).health is Health.CRITICAL
    if True:
        refused = await look(http("http://127.0.0.1:1/"))
        assert refused.output == 'Get "http://127.0.0.1:1/": dial tcp 127.0.0.1:1: connect: connection refused'
        nonsense = await look(http("nonsense"))
        assert nonsense.output == 'Get "nonsense": unsupported protocol scheme ""'
        assert (await look(http("http://nope.invalid/"))).output.endswith("no such host")


async def test_a_target_that_says_nothing_is_given_up() -> None:
    async with talking(b"") as address:
        result = await look(http(f"http://{address}/", timeout=0.05))
    assert result.output.endswith("context deadline exceeded (Client.Timeout exceeded while awaiting headers)")


async def test_an_answer_that_stops_in_its_body_is_judged_by_its_status() -> None:
    begun = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nbegun"
    async with talking(begun) as address:
        result = await look(http(f"http://{address}/", timeout=0.05))
    assert result == Result(Health.PASSING, f"HTTP GET http://{address}/: 200 OK Output: begun")
    async with listening(lambda _: begun) as address:
        result = await look(http(f"http://{address}/"))
    assert result.health is Health.PASSING and result.output.endswith("begun")


async def test_an_interim_answer_is_none() -> None:
    async with listening(lambda _: b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" + http_answer("200 OK")) as address:
        result = await look(http(f"http://{address}/"))
    assert result == Result(Health.PASSING, f"HTTP GET http://{address}/: 200 OK Output: body")


async def test_a_body_is_unpacked_where_the_check_says_nothing_of_that() -> None:
    packed = gzip.compress(b"plain")
    async with listening(lambda _: http_answer("200 OK", packed, "Content-Encoding: gzip")) as address:
        usual = await look(http(f"http://{address}/"))
        own = await look(http(f"http://{address}/", headers={"Accept-Encoding": ("gzip",)}))
    assert usual.output.endswith("Output: plain")
    assert not own.output.endswith("plain")
    bomb = gzip.compress(bytes(8 << 20))
    async with listening(lambda _: http_answer("200 OK", bomb, "Content-Encoding: gzip")) as address:
        assert (await look(http(f"http://{address}/"))).health is Health.PASSING
    async with listening(lambda _: http_answer("200 OK", b"no gzip", "Content-Encoding: gzip")) as address:
        assert (await look(http(f"http://{address}/"))).health is Health.PASSING


async def test_of_a_head_no_body_is_awaited() -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n"
    async with talking(head) as address:
        result = await look(http(f"http://{address}/", method="HEAD"))
    assert result == Result(Health.PASSING, f"HTTP HEAD http://{address}/: 200 OK Output: ")


async def test_redirections_end() -> None:
    asked: list[str] = []

    def answer(head: str) -> bytes:
        asked.append(head)
        return http_answer("302 Found", b"", "Location: /again")

    async with listening(answer) as address:
        endless = await look(http(f"http://{address}/"))
        assert len(asked) == 10
        unfollowed = await look(http(f"http://{address}/", follow_redirects=False))
    assert endless.output == 'Get "/again": stopped after 10 redirects'
    assert unfollowed.output == f"HTTP GET http://{address}/: 302 Found Output: "
    async with listening(lambda _: http_answer("302 Found", b"")) as address:
        nowhere = await look(http(f"http://{address}/"))
        assert nowhere.output == f'Get "http://{address}/": 302 response missing Location header'
    async with listening(lambda _: http_answer("302 Found", b"", "Location: ftp://x/")) as address:
        elsewhere = await look(http(f"http://{address}/"))
        assert elsewhere.output == 'Get "ftp://x/": unsupported protocol scheme "ftp"'


async def test_tls_is_verified_unless_told() -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    async with listening(lambda _: http_answer("200 OK"), context) as address:
        assert (await look(http(f"https://{address}/"))).health is Health.CRITICAL
        assert (await look(http(f"https://{address}/", tls_skip_verify=True))).health is Health.PASSING
        plain = await look(http(f"http://{address}/", timeout=SOON))
        assert plain.health is Health.CRITICAL


async def test_the_name_in_the_certificate_can_be_told(monkeypatch: pytest.MonkeyPatch) -> None:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("service.example").configure_cert(context)
    client = ssl.create_default_context()
    authority.configure_trust(client)
    monkeypatch.setattr(http_check, "client_context", lambda **_: client)
    async with listening(lambda _: http_answer("200 OK"), context) as address:
        by_address = await look(http(f"https://{address}/"))
        by_name = await look(http(f"https://{address}/", tls_server_name="service.example"))
    assert by_address.output.endswith("x509: certificate is not valid for 127.0.0.1")
    assert by_name.health is Health.PASSING
