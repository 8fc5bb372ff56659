"""The document that describes handlers."""

from __future__ import annotations

import msgspec

from muster.rpc.contract import operations
from muster.rpc.description import description, digest


class Request(msgspec.Struct):
    name: str


class Say:
    async def hello(self, request: Request) -> int:
        """Greets."""
        return 1

    async def ping(self) -> None: ...


def test_it_says_all_that_a_caller_needs() -> None:
    described = msgspec.json.decode(description("greeter", operations(Say)))
    hello, ping = described["endpoints"]
    assert hello == {
        "path": "/greeter.Say/Hello",
        "http": "/say/hello",
        "summary": "Greets.",
        "request": {"$ref": "#/$defs/Request"},
        "reply": {"type": "integer"},
        "request_type": "Request",
        "reply_type": "int",
        "client_streaming": False,
        "server_streaming": False,
        "idempotent": False,
    }
    assert ping["request"] == {"type": "null"}
    assert described["$defs"]["Request"]["required"] == ["name"]


def test_the_order_does_not_matter() -> None:
    found = operations(Say)
    assert description("greeter", found) == description("greeter", reversed(found))


def test_the_digest_tells_different_ones_apart() -> None:
    assert digest(description("a", operations(Say))) != digest(description("b", operations(Say)))
    assert len(digest(b"")) == 12
    assert description("greeter", ()) == b""
