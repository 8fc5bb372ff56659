"""The greeter service, with all four kinds of calls.

python server.py            # registers with the Consul agent on this machine: `muster agent` runs one
MUSTER_REGISTER=off python server.py
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator

import grpc.aio
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, add_SayServicer_to_server

import muster

service = muster.Service("greeter", version="1.0.0")


class Say(SayServicer):
    async def Hello(self, request: HelloRequest, context: grpc.aio.ServicerContext) -> HelloReply:
        return self._greet(request.name)

    async def ListHellos(self, request: HelloRequest, context: grpc.aio.ServicerContext) -> AsyncIterator[HelloReply]:
        for _ in range(request.count or 3):
            yield self._greet(request.name)
            await asyncio.sleep(0.1)

    async def CollectNames(
        self, requests: AsyncIterator[HelloRequest], context: grpc.aio.ServicerContext
    ) -> HelloReply:
        names = [request.name async for request in requests]
        return self._greet(" and ".join(names))

    async def Chat(
        self, requests: AsyncIterator[HelloRequest], context: grpc.aio.ServicerContext
    ) -> AsyncIterator[HelloReply]:
        async for request in requests:
            yield self._greet(request.name)

    def _greet(self, name: str) -> HelloReply:
        return HelloReply(message=f"Hello, {name or 'world'}!", served_by=service.id)


service.add(add_SayServicer_to_server, Say())


@service.after_start
def say_where() -> None:
    ready, why = service.readiness.ready, service.readiness.why
    print(f"{service.id} listens on {service.address}", "and is ready" if ready else f"but is not ready: {why}")


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO)
    service.run()
