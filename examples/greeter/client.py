"""Calls the greeter service in all four ways: python client.py [NAME]"""

from __future__ import annotations

import asyncio
import sys

from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

import muster


async def main(name: str) -> None:
    async with muster.Client() as client:
        say = SayStub(client.channel("greeter"))
        reply = await say.Hello(HelloRequest(name=name))
        print(f"{reply.message} ({reply.served_by})")
        async for reply in say.ListHellos(HelloRequest(name=name, count=2)):
            print(f"{reply.message} ({reply.served_by})")
        reply = await say.CollectNames(HelloRequest(name=each) for each in (name, "friends"))
        print(f"{reply.message} ({reply.served_by})")
        async for reply in say.Chat(HelloRequest(name=each) for each in (name, "friends")):
            print(f"{reply.message} ({reply.served_by})")


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:] or ["world"]))
