"""What the greeter offers, for its server and for its clients."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Protocol

import msgspec

import muster


class HelloRequest(msgspec.Struct):
    name: str
    times: int = 1


class HelloReply(msgspec.Struct):
    message: str


class Say(Protocol):
    """All that a client has to know. A client may just as well be given the handler class itself."""

    @muster.idempotent
    async def hello(self, request: HelloRequest) -> HelloReply: ...

    def list_hellos(self, request: HelloRequest) -> AsyncIterator[HelloReply]: ...
