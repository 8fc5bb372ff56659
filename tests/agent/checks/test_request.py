"""What an HTTP check sends, at first and after a redirection."""

from __future__ import annotations

import pytest

from muster.agent.checks.redirect import redirected
from muster.agent.checks.request import BadRequest, Headers, Request, first_request, written
from muster.agent.checks.url import parse_url


def asked(method: str = "GET", url: str = "http://a:81/x", headers: Headers | None = None, body: str = "") -> Request:
    return first_request(method, parse_url(url), headers or {}, body)


def lines(request: Request) -> list[str]:
    return written(request).decode().split("\r\n")


USUAL = ["Host: a:81", "User-Agent: Consul Health Check", "Accept: text/plain, text/*, */*"]
END = ["Accept-Encoding: gzip", "Connection: close", "", ""]


@pytest.mark.parametrize(
    ("request_", "sent"),
    [
        (asked(), ["GET /x HTTP/1.1", *USUAL, *END]),
        (asked("HEAD"), ["HEAD /x HTTP/1.1", *USUAL, *END[1:]]),
        (asked("DELETE"), ["DELETE /x HTTP/1.1", *USUAL, *END]),
        (asked("POST"), ["POST /x HTTP/1.1", *USUAL[:2], "Content-Length: 0", USUAL[2], *END]),
        (asked("PUT", body="ä"), ["PUT /x HTTP/1.1", *USUAL[:2], "Content-Length: 2", USUAL[2], *END[:-1], "ä"]),
        (
            asked(headers={"X": ("1", "2"), "A": (), "host": ("h",), "User-Agent": ("me",), "Content-Length": ("5",)}),
            ["GET /x HTTP/1.1", "Host: h", "User-Agent: me", USUAL[2], "X: 1", "X: 2", *END],
        ),
        (
            asked(headers={"accept": ("a",), "Range": ("bytes=0-1",), "Connection": ("keep-alive",)}),
            ["GET /x HTTP/1.1", *USUAL[:2], "Range: bytes=0-1", "accept: a", *END[1:]],
        ),
        (
            asked(url="http://me:pw@a:81/x"),
            ["GET /x HTTP/1.1", *USUAL, "Authorization: Basic bWU6cHc=", *END],
        ),
    ],
)
def test_a_request_is_written_as_go_writes_it(request_: Request, sent: list[str]) -> None:
    assert lines(request_) == sent


@pytest.mark.parametrize(
    ("method", "headers", "why"),
    [
        ("BAD METHOD", {}, 'net/http: invalid method "BAD METHOD"'),
        ("GET", {"X Y": ("z",)}, 'net/http: invalid header field name "X Y"'),
        ("GET", {"X": ("a\nHost: b",)}, 'net/http: invalid header field value "a\\nHost: b" for key X'),
    ],
)
def test_what_would_be_another_request_is_refused(method: str, headers: Headers, why: str) -> None:
    with pytest.raises(BadRequest) as caught:
        asked(method, headers=headers)
    assert str(caught.value) == why


@pytest.mark.parametrize(
    ("method", "status", "follows", "with_body"),
    [
        ("GET", 302, "GET", True),
        ("HEAD", 303, "HEAD", True),
        ("POST", 301, "GET", False),
        ("POST", 302, "GET", False),
        ("PUT", 307, "PUT", True),
        ("POST", 308, "POST", True),
    ],
)
def test_a_redirection_keeps_or_changes_the_method(method: str, status: int, follows: str, with_body: bool) -> None:
    next_ = redirected(asked(method, body="b"), status, "/y")
    assert next_.method == follows
    assert next_.body == (b"b" if with_body else b"")


def test_a_redirection_takes_secrets_to_no_other_host() -> None:
    secrets = {"Authorization": ("a",), "Cookie": ("c",), "X": ("x",), "Host": ("h",)}
    request = asked(headers=secrets)
    near, far = redirected(request, 302, "/y"), redirected(request, 302, "http://b/")
    assert near.headers == {**secrets, "Referer": ("http://a:81/x",)} and near.host == "h"
    assert "Host: b" in lines(far) and "X: x" in lines(far)
    assert not any(line.startswith(("Authorization", "Cookie")) for line in lines(far))


def test_where_a_check_comes_from_is_not_told_without_tls_nor_with_a_password() -> None:
    from_safe = redirected(asked(url="https://a/x"), 302, "http://b/")
    from_login = redirected(asked(url="http://me:pw@a/x"), 302, "/y")
    assert "Referer" not in from_safe.headers
    assert from_login.headers["Referer"] == ("http://a/x",)
