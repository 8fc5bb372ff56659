"""Whether a service answers at an address, and by which scheme: asked by the service itself, before it registers.

Certificates are not judged: they are the service's own.
"""

from __future__ import annotations

import asyncio

from muster.http.looking import NotHealthy, look
from muster.model.instance import HTTP, split_host_port
from muster.rpc.identity import HEADER
from muster.serve.listeners import Listener
from muster.serve.reach import Look, Reach

SECONDS = 2.0
"""That a connection, or one answer, may take."""

_SCHEMES = ("http", "https")


async def reach_of(listener: Listener, health: str) -> Reach | None:
    """How a server is reached that knows nothing of muster: by its own path `health`, which must answer 2xx, or, where
    that is empty, by a connection. None while it is not there."""
    if not health:
        return Reach(HTTP, Look.TCP) if await _connects(listener) else None
    for scheme in _SCHEMES:
        try:
            await look(f"{scheme}://{listener.near}{health}", SECONDS)
        except NotHealthy:
            continue
        return Reach(HTTP, Look.HTTP, health, tls=scheme == "https")
    return None


async def reach_of_named(listener: Listener, health: str, name: str) -> Reach | None:
    """How an application that muster wraps as the service `name` is reached. None where another answers, or nobody."""
    for scheme in _SCHEMES:
        who = await who_answers(f"{scheme}://{listener.near}{health}")
        if who is not None and (who == name or who.startswith(f"{name}-")):
            return Reach(HTTP, Look.HTTP, health, proves=True, tls=scheme == "https")
    return None


async def who_answers(url: str) -> str | None:
    """The id in the answer to GET `url`, whatever its status; None where nobody answers, or nobody of muster's."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=False) as response:
            return response.headers.get(HEADER)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None


async def _connects(listener: Listener) -> bool:
    host, port = split_host_port(listener.near)
    try:
        async with asyncio.timeout(SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
