"""Paths, as Go's ServeMux understands them."""

from __future__ import annotations

import pytest

from muster.agent.api.answer import DONE, Answer
from muster.agent.api.request import MalformedQuery, Request, parse_query
from muster.agent.api.routing import Route, Router, redirect
from muster.agent.state import State


def done(state: State, request: Request) -> Answer:
    return DONE


ROUTER = Router(
    Route("GET", path, done)
    for path in ("/v1/agent/services", "/v1/agent/service/", "/v1/agent/service/register", "/v1/agent/service/gone/")
)


@pytest.mark.parametrize(
    ("path", "route", "rest"),
    [
        ("/v1/agent/services", "/v1/agent/services", ""),
        ("/v1/agent/service/web-1", "/v1/agent/service/", "web-1"),
        ("/v1/agent/service/a/b", "/v1/agent/service/", "a/b"),
        ("/v1/agent/service/", "/v1/agent/service/", ""),
        ("/v1/agent/service/register", "/v1/agent/service/register", ""),
        ("/v1/agent/service/gone/x", "/v1/agent/service/gone/", "x"),
    ],
)
def test_the_longest_path_wins(path: str, route: str, rest: str) -> None:
    found = ROUTER.find(path)
    assert found is not None and (found[0].path, found[1]) == (route, rest)


@pytest.mark.parametrize("path", ["/", "/v1", "/v1/", "/v1/agent/services/x", "/v1/agent/service", "/nope", ""])
def test_what_nothing_serves_is_not_found(path: str) -> None:
    assert ROUTER.find(path) is None


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/v1/agent/service", "/v1/agent/service/"),
        ("/v1/agent/service/gone", "/v1/agent/service/gone/"),
        ("/v1//agent/services", "/v1/agent/services"),
        ("//v1/agent/services", "/v1/agent/services"),
        ("/v1/./agent/services", "/v1/agent/services"),
        ("/v1/x/../agent/services", "/v1/agent/services"),
        ("/v1/agent/service/x/..", "/v1/agent/service/"),
        ("/../..", "/"),
        ("/v1/agent/services", None),
        ("/nope", None),
    ],
)
def test_paths_that_are_written_otherwise_are_redirected(path: str, location: str | None) -> None:
    assert ROUTER.redirection(path) == location


def test_a_redirection_keeps_the_query_and_escapes_what_it_shows() -> None:
    answer = redirect("GET", '/v1/"<x>', b"pretty&a=1")
    assert answer.headers == ((b"Location", b"/v1/%22%3Cx%3E?pretty&a=1"),)
    assert answer.body == b'<a href="/v1/%22%3Cx%3E?pretty&amp;a=1">Moved Permanently</a>.\n\n'
    assert redirect("PUT", "/v1/x/", b"").body == b""


@pytest.mark.parametrize(
    ("query", "name", "first", "everything"),
    [
        (b"", "tag", "", ()),
        (b"tag", "tag", "", ("",)),
        (b"tag=a&tag=b", "tag", "a", ("a", "b")),
        (b"tag=a;tag=b", "tag", "a", ("a", "b")),
        (b"tag=a+b%20c", "tag", "a b c", ("a b c",)),
        (b"t%61g=%C3%A9", "tag", "\u00e9", ("\u00e9",)),
        (b"tag=a=b", "tag", "a=b", ("a=b",)),
    ],
)
def test_parameters(query: bytes, name: str, first: str, everything: tuple[str, ...]) -> None:
    params = parse_query(query)
    assert (params.first(name), params.all(name), name in params) == (first, everything, bool(everything))


@pytest.mark.parametrize("query", [b"a=%", b"a=%z1", b"a=%1"])
def test_a_malformed_percent_is_an_error(query: bytes) -> None:
    with pytest.raises(MalformedQuery):
        parse_query(query)
