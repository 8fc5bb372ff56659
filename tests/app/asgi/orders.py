"""An application for servers to serve: `/` says which process answers, `/slow` takes a while."""

from __future__ import annotations

import asyncio
import json
import os
from typing import Any

import muster

TIMING = muster.Timing(drain=0.5, stop=3.0)


async def orders(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    if scope["path"] == "/slow":
        await asyncio.sleep(0.8)
    body = json.dumps({"pid": os.getpid()}).encode()
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def lifespan(receive: Any, send: Any) -> None:
    for event in ("startup", "shutdown"):
        assert (await receive())["type"] == f"lifespan.{event}"
        print(f"application: {event}", flush=True)
        await send({"type": f"lifespan.{event}.complete"})


app = muster.asgi(orders, "orders", timing=TIMING)
