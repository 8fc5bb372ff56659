"""A service of typed handlers: no protobuf, no generated code. `muster run server:service --dev` runs it."""

from __future__ import annotations

from collections.abc import AsyncIterator

from greeting import HelloReply, HelloRequest

import muster

service = muster.Service("greeter", version="1.0.0")


class Phrases:
    """Stands for a database: opened once, handed to handlers."""

    def greeting(self) -> str:
        return "Hello"


@service.lifespan
async def resources() -> AsyncIterator[dict[str, object]]:
    phrases = Phrases()
    yield {"phrases": phrases}
    # close it here


@service.handler
class Say:
    def __init__(self, phrases: Phrases) -> None:
        self._phrases = phrases

    @muster.idempotent
    async def hello(self, request: HelloRequest) -> HelloReply:
        """Greets by name."""
        if not request.name:
            raise muster.Fault("INVALID_ARGUMENT", "name is empty: whom to greet?")
        return HelloReply(f"{self._phrases.greeting()} {request.name}")

    async def list_hellos(self, request: HelloRequest) -> AsyncIterator[HelloReply]:
        """Greets again and again."""
        for _ in range(request.times):
            yield await self.hello(request)


if __name__ == "__main__":
    service.run()
