"""Calls the greeter by name. The object has the methods of the Protocol, and their types."""

from __future__ import annotations

import asyncio

from greeting import HelloRequest, Say

import muster


async def main() -> None:
    async with muster.Client() as client:
        say = client.service(Say, "greeter")  # by gRPC; "greeter-http" is the same by HTTP
        reply = await say.hello(HelloRequest(name="world"))
        print(reply.message)

        async for reply in say.list_hellos(HelloRequest(name="again", times=3)):
            print(reply.message)

        try:
            await say.hello(HelloRequest(name=""))
        except muster.Fault as fault:
            print(fault.code, fault.detail)


if __name__ == "__main__":
    asyncio.run(main())
