"""An HTTP service that registers itself: /hello?name=x, and /health/ID, by which it is known from strangers.

python web.py
"""

from __future__ import annotations

import asyncio
import secrets
import signal

from aiohttp import web

from muster.model.check import HTTPCheck
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.registry.url import open_registry

ID = f"web-{secrets.token_hex(6)}"


async def hello(request: web.Request) -> web.Response:
    return web.json_response({"message": f"Hello {request.query['name']}"})


async def echo(request: web.Request) -> web.WebSocketResponse:
    socket = web.WebSocketResponse()
    await socket.prepare(request)
    async for message in socket:
        await socket.send_str(message.data)
    return socket


async def health(request: web.Request) -> web.Response:
    mine = request.match_info["id"] == ID
    return web.Response(status=200 if mine else 404, headers={"Muster-Instance": ID})


async def main() -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    app = web.Application()
    app.add_routes([web.get("/hello", hello), web.get("/echo", echo), web.get("/health/{id}", health)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    port = runner.addresses[0][1]

    instance = Instance(ID, "web", "127.0.0.1", port, protocol="http", metadata={"muster-health": "/health"})
    check = HTTPCheck("reach", f"http://127.0.0.1:{port}/health/{ID}")
    async with open_registry() as registry:
        await registry.register(Registration(instance, (check,)))
        print(f"{ID} at 127.0.0.1:{port}", flush=True)
        await stopping.wait()
        await registry.deregister(ID)
    await runner.cleanup()


if __name__ == "__main__":
    asyncio.run(main())
