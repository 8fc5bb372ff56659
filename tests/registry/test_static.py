"""A fixed list of instances."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from muster.model.errors import BadConfiguration
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Known
from muster.registry.protocol import Discovery, Registrar
from muster.registry.static import Static, from_url

pytestmark = pytest.mark.anyio


def at(name: str, host: str, port: int) -> Instance:
    shown = f"[{host}]" if ":" in host else host
    return Instance(f"{name}@{shown}:{port}", name, host, port)


async def test_a_url() -> None:
    url = "static://?greeter=127.0.0.1:9000,127.0.0.1:9001&orders=[::1]:7000"
    async with from_url(url, {}) as registry:
        assert str(registry) == url
        async with aclosing(registry.watch("greeter")) as answers:
            assert await anext(answers) == Known(
                "greeter", (at("greeter", "127.0.0.1", 9000), at("greeter", "127.0.0.1", 9001))
            )
        async with aclosing(registry.watch("orders")) as answers:
            assert await anext(answers) == Known("orders", (at("orders", "::1", 7000),))
        async with aclosing(registry.watch_names()) as names:
            assert await anext(names) == {"greeter": frozenset(), "orders": frozenset()}


async def test_instances() -> None:
    instance = Instance("g-1", "greeter", "10.0.0.1", 9000, tags=("a",))
    registry = Static({"greeter": [instance], "empty": []})
    async with aclosing(registry.watch("greeter")) as answers:
        assert await anext(answers) == Known("greeter", (instance,))
    for name in ("empty", "other"):
        async with aclosing(registry.watch(name)) as answers:
            assert await anext(answers) == Absent(name)
    async with aclosing(registry.watch_names()) as names:
        assert await anext(names) == {"greeter": frozenset("a")}


async def test_nothing_ever_changes_and_the_watch_does_not_end() -> None:
    async with aclosing(Static({}).watch("x")) as answers:
        await anext(answers)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.01):
                await anext(answers)


def test_it_can_only_be_read() -> None:
    registry = Static({})
    assert isinstance(registry, Discovery)
    assert not isinstance(registry, Registrar)


def test_an_address_twice_is_one_instance() -> None:
    assert str(from_url("static://?a=b:1, b:1", {})) == "static://?a=b:1"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("static://", "names no service"),
        ("static://a:1", "takes services, not hosts"),
        ("static:///a", "takes services, not hosts"),
        ("static://?a=b", "'b' has no port"),
        ("static://?a=b:0", "needs a host and a port above 0"),
        ("static://?a=:1", "needs a host and a port above 0"),
        ("static://?a=b:x", "'x' is not a port"),
        ("static://?a=::1:5", "needs brackets"),
        ("static://?a=", "has no port"),
        ("static://?a=b:1,", "has no port"),
        ("static://?a=b:1&a=c:1", "'a' is there twice"),
        ("static://?a+b=c:1", "service name 'a b'"),
        ("static://?=c:1", "it is empty"),
    ],
)
def test_what_cannot_be_used_is_named(url: str, text: str) -> None:
    with pytest.raises(BadConfiguration) as caught:
        from_url(url, {})
    assert text in str(caught.value)
