"""URLs that are looked at."""

from __future__ import annotations

import pytest

from muster.agent.checks.url import URL, BadURL, joined, parse_url, shown


@pytest.mark.parametrize(
    ("text", "host", "port", "authority", "target"),
    [
        ("http://a/b", "a", 80, "a", "/b"),
        ("https://a", "a", 443, "a", "/"),
        ("HTTP://A:81?q=1#frag", "a", 81, "A:81", "/?q=1"),
        ("http://[::1]:8080/x", "::1", 8080, "[::1]:8080", "/x"),
        ("http://a/b c/ä%2Fd?x=%41 y", "a", 80, "a", "/b%20c/%C3%A4%2Fd?x=%41%20y"),
        ("http://me:p%40w@a:/x", "a", 80, "a:", "/x"),
    ],
)
def test_a_url_has_parts(text: str, host: str, port: int, authority: str, target: str) -> None:
    url = parse_url(text)
    assert (url.host, url.port, url.authority, url.target) == (host, port, authority, target)


def test_a_name_and_a_password_are_meant_unquoted_and_never_shown() -> None:
    url = parse_url("http://me:p%40w@a/x")
    assert (url.user, url.password) == ("me", "p@w")
    assert shown("http://me:secret@a/x@y:z") == "http://me:***@a/x@y:z"
    assert shown("http://a/x:y@z") == "http://a/x:y@z"


@pytest.mark.parametrize(
    ("text", "why", "parsed"),
    [
        ("nonsense", 'unsupported protocol scheme ""', True),
        ("ftp://a/", 'unsupported protocol scheme "ftp"', True),
        ("127.0.0.1:80/x", 'parse "127.0.0.1:80/x": first path segment in URL cannot contain colon', False),
        ("http:///x", "http: no Host in request URL", True),
        ("http://a:99999/", "dial tcp: address 99999: invalid port", True),
        ("http://a:abc/", 'parse "http://a:abc/": invalid port ":abc" after host', False),
        ("http://[::1", "parse \"http://[::1\": missing ']' in host", False),
        ("http://a/\nb", 'parse "http://a/\\nb": net/url: invalid control character in URL', False),
        ("http://a/%zz", 'parse "http://a/%zz": invalid URL escape "%zz"', False),
        ("http://me:secret@a/%z", 'parse "http://me:***@a/%z": invalid URL escape "%z"', False),
    ],
)
def test_what_is_no_url_is_told_in_gos_words(text: str, why: str, parsed: bool) -> None:
    with pytest.raises(BadURL) as caught:
        parse_url(text)
    assert (str(caught.value), caught.value.parsed) == (why, parsed)


def test_a_redirection_may_be_relative() -> None:
    base = parse_url("http://a:81/b/c?q")
    assert isinstance(base, URL)
    assert joined(base, "/x").text == "http://a:81/x"
    assert joined(base, "d").text == "http://a:81/b/d"
    assert joined(base, "https://z/").host == "z"
