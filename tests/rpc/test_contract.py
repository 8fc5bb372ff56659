"""What a class offers."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator
from typing import TYPE_CHECKING, Any, Protocol

import pytest

import muster
from muster.model.errors import Rejected
from muster.rpc.contract import Operation, operations, type_name

if TYPE_CHECKING:
    from decimal import Decimal


class Say:
    prefix = "Hello"

    def __init__(self) -> None: ...

    async def hello(self, request: str) -> dict[str, int]:
        """Greets.

        At length.
        """
        return {}

    @muster.idempotent
    async def ping(self) -> None: ...

    async def list_hellos(self, request: str) -> AsyncIterator[str]:
        yield request

    async def collect(self, names: AsyncIterable[str]) -> int:
        return 0

    async def chat(self, names: AsyncIterator[str]) -> AsyncGenerator[str, None]:
        yield ""

    def _plain(self) -> None: ...

    @staticmethod
    def of(name: str) -> Say:
        return Say()

    @property
    def name(self) -> str:
        return ""


class SayProtocol(Protocol):
    async def hello(self, request: str) -> dict[str, int]: ...

    def list_hellos(self, request: str) -> AsyncIterator[str]: ...


def by_name(contract: Any) -> dict[str, Operation]:
    return {each.attribute: each for each in operations(contract)}


def test_public_async_methods_are_operations() -> None:
    assert set(by_name(Say)) == {"hello", "ping", "list_hellos", "collect", "chat"}


def test_types_and_streams() -> None:
    found = by_name(Say)
    shapes = {name: (each.request, each.reply, each.takes_stream, each.gives_stream) for name, each in found.items()}
    assert shapes == {
        "hello": (str, dict[str, int], False, False),
        "ping": (None, type(None), False, False),
        "list_hellos": (str, str, False, True),
        "collect": (str, int, True, False),
        "chat": (str, str, True, True),
    }


def test_names_on_the_wire() -> None:
    operation = by_name(Say)["list_hellos"]
    assert operation.short == "Say.ListHellos"
    assert operation.route == "/say/list-hellos"
    assert operation.path("greeter") == "/greeter.Say/ListHellos"
    endpoint = operation.endpoint("greeter")
    assert (endpoint.path, endpoint.short, endpoint.server_streaming) == (
        "/greeter.Say/ListHellos",
        "Say.ListHellos",
        True,
    )


def test_what_is_declared() -> None:
    found = by_name(Say)
    assert found["ping"].idempotent
    assert not found["hello"].idempotent
    assert found["hello"].summary == "Greets."


def test_a_protocol_will_do() -> None:
    ours, theirs = by_name(Say), by_name(SayProtocol)
    for name, each in theirs.items():
        assert (each.request, each.reply, each.gives_stream) == (
            ours[name].request,
            ours[name].reply,
            ours[name].gives_stream,
        )


def test_methods_of_a_base_class_are_operations_too() -> None:
    class More(Say):
        async def more(self) -> int:
            return 1

    assert set(by_name(More)) == {*by_name(Say), "more"}


class NoMethods:
    def _hidden(self) -> None: ...


class NotAsync:
    def hello(self, request: str) -> str: ...  # type: ignore[empty-body]


class NoTypes:
    async def hello(self, request): ...  # type: ignore[no-untyped-def]


class NoReturn:
    async def hello(self, request: str): ...  # type: ignore[no-untyped-def]


class Two:
    async def hello(self, first: str, second: str) -> str: ...  # type: ignore[empty-body]


class KeywordOnly:
    async def hello(self, *, first: str) -> str: ...  # type: ignore[empty-body]


class NotYielding:
    async def hello(self) -> AsyncIterator[str]: ...  # type: ignore[empty-body]


class OfWhat:
    async def hello(self) -> AsyncIterator:  # type: ignore[type-arg]
        yield 1


class Alike:
    async def list_hellos(self) -> int: ...  # type: ignore[empty-body]
    async def ListHellos(self) -> int: ...  # type: ignore[empty-body]


class OnlyForCheckers:
    async def hello(self, request: Decimal) -> str: ...  # type: ignore[empty-body]


@pytest.mark.parametrize(
    ("contract", "text"),
    [
        (Say(), "is no class"),
        (NoMethods, "NoMethods has no methods to call"),
        (NotAsync, "NotAsync.hello is not async"),
        (NoTypes, "NoTypes.hello: the parameter 'request' has no type"),
        (NoReturn, "NoReturn.hello has no return type"),
        (Two, "Two.hello has to take one request"),
        (KeywordOnly, "KeywordOnly.hello has to take one request"),
        (NotYielding, "NotYielding.hello returns a stream but has no 'yield'"),
        (OfWhat, "OfWhat.hello: a stream of what"),
        (Alike, "would be called the same: Alike.ListHellos"),
        (OnlyForCheckers, "OnlyForCheckers.hello: the type 'Decimal' cannot be found"),
    ],
)
def test_a_slip_is_named(contract: Any, text: str) -> None:
    with pytest.raises(Rejected, match=text):
        operations(contract)


def test_names_of_types() -> None:
    assert [type_name(each) for each in (int, Say, list[int], type(None), Any, int | None)] == [
        "int",
        "Say",
        "list[int]",
        "null",
        "Any",
        "int | None",
    ]
