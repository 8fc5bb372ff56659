"""muster.gateway.routes: paths to services and endpoints, by tables."""

from __future__ import annotations

import pytest

from muster.gateway.problem import Refused
from muster.gateway.routes import Route, paths_of, resolve, route
from muster.model.endpoint import Endpoint

SAY = Endpoint("/greeter.Say/Hello")
LIST = Endpoint("/greeter.Say/ListHellos")
OTHER = Endpoint("/other.v1.Say/Hello")
OWN = Endpoint("/Greeter/Hello")
SHOUTED = Endpoint("/greeter.Say/HELLO")
SNAKE = Endpoint("/greeter.Say/list_hellos")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/greeter/say/hello", Route("greeter", "say", "hello")),
        ("/greeter/say/hello/", Route("greeter", "say", "hello")),
        ("/greeter", Route("greeter")),
        ("/greeter/", Route("greeter")),
        ("/greeter/greeter.v1.Say/Hello", Route("greeter", "greeter.v1.Say", "Hello")),
        ("/greeter/Say.Hello", Route("greeter", "Say", "Hello")),
        ("/greeter/greeter.Say.Hello", Route("greeter", "greeter.Say", "Hello")),
        ("/greeter/hello", Route("greeter", "greeter", "hello")),
        ("/eu.shop-orders_v2/till/sell", Route("eu.shop-orders_v2", "till", "sell")),
        ("/gr%65eter/s%61y/hello", Route("greeter", "say", "hello")),
        ("/a%2Fb/say/hello", Route("a/b", "say", "hello")),
        ("/gr%C3%BC%C3%9Fe/say/hello", Route("grüße", "say", "hello")),
        ("/..%2f/say/hello", Route("../", "say", "hello")),
        ("/100%/say/hello", Route("100%", "say", "hello")),
    ],
)
def test_paths(path: str, expected: Route) -> None:
    assert route(path) == expected


@pytest.mark.parametrize(
    "path", ["//", "//say/hello", "/greeter//hello", "/a/b/c/d", "/greeter/Say.", "/greeter/.Hello", "/a/b/c//"]
)
def test_paths_that_lead_nowhere(path: str) -> None:
    with pytest.raises(Refused, match="a path is /SERVICE/TYPE/METHOD") as caught:
        route(path)
    assert caught.value.problem.status == 404


def test_a_path_that_is_no_utf8() -> None:
    with pytest.raises(Refused, match="is no UTF-8") as caught:
        route("/%ff/say/hello")
    assert caught.value.problem.status == 400


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("/greeter/say/hello", SAY),
        ("/greeter/SAY/HELLO", SAY),
        ("/greeter/Say.Hello", SAY),
        ("/greeter/greeter.Say/Hello", SAY),
        ("/greeter/greeter.say/hello", SAY),
        ("/greeter/greeter.Say.Hello", SAY),
        ("/greeter/say/list-hellos", LIST),
        ("/greeter/say/list_hellos", LIST),
        ("/greeter/say/listHellos", LIST),
        ("/greeter/hello", OWN),
        ("/greeter/greeter/hello", OWN),
    ],
)
def test_endpoints(path: str, expected: Endpoint) -> None:
    assert resolve([SAY, LIST, OWN], route(path)) is expected


def test_the_spelling_decides_where_only_it_differs() -> None:
    assert resolve([SAY, SHOUTED], route("/greeter/Say/Hello")) is SAY
    assert resolve([SAY, SHOUTED], route("/greeter/Say/HELLO")) is SHOUTED
    assert resolve([LIST, SNAKE], route("/greeter/Say/list_hellos")) is SNAKE


@pytest.mark.parametrize(
    ("endpoints", "path", "listed"),
    [
        ([SAY, OTHER], "/greeter/say/hello", "/greeter/greeter.Say/Hello, /greeter/other.v1.Say/Hello"),
        ([SAY, SHOUTED], "/greeter/say/hello", "/greeter/greeter.Say/Hello, /greeter/greeter.Say/HELLO"),
    ],
)
def test_a_path_that_means_several_endpoints_is_refused_with_the_paths_of_all(
    endpoints: list[Endpoint], path: str, listed: str
) -> None:
    with pytest.raises(Refused) as caught:
        resolve(endpoints, route(path))
    assert caught.value.problem.status == 400
    assert listed in caught.value.problem.detail


def test_the_end_of_a_whole_name_tells_them_apart() -> None:
    assert resolve([SAY, OTHER], route("/greeter/v1.Say/Hello")) is OTHER
    assert resolve([SAY, OTHER], route("/greeter/other.v1.say/hello")) is OTHER


@pytest.mark.parametrize("path", ["/greeter/say/goodbye", "/greeter/ay/hello", "/greeter/er.Say/hello", "/greeter/x"])
def test_an_endpoint_that_is_not_there(path: str) -> None:
    with pytest.raises(Refused, match="offers: /greeter/say/hello, /greeter/say/list-hellos") as caught:
        resolve([SAY, LIST], route(path))
    assert caught.value.problem.status == 404


def test_a_service_that_offers_nothing() -> None:
    with pytest.raises(Refused, match="it offers: nothing"):
        resolve([], route("/greeter/say/hello"))


def test_every_listed_path_leads_back_to_its_endpoint() -> None:
    endpoints = [SAY, LIST, OTHER, OWN, SHOUTED, Endpoint("/a.HTTPServer/GetURLOfX2")]
    paths = paths_of("my greeter", endpoints)
    assert paths["a.HTTPServer.GetURLOfX2"] == "/my%20greeter/http-server/get-url-of-x2"
    assert {name: resolve(endpoints, route(path)).dotted for name, path in paths.items()} == {
        endpoint.dotted: endpoint.dotted for endpoint in endpoints
    }
