"""Looks at ports and addresses of this machine."""

from __future__ import annotations

import asyncio
import socket

from muster.cli.doctor.instances import Seen
from muster.registry.consul.inspection import Held

CONNECT_SECONDS = 2.0
AT_ONCE = 32


async def look(held: tuple[Held, ...]) -> list[Seen]:
    """Each instance that has a port, with what is seen of it from here."""
    turns = asyncio.Semaphore(AT_ONCE)

    async def one(each: Held) -> Seen:
        async with turns:
            host = each.host or "127.0.0.1"
            return Seen(each, await asyncio.to_thread(is_here, host), await listens(host, each.port))

    async with asyncio.TaskGroup() as tasks:
        looks = [tasks.create_task(one(each)) for each in held if each.port]
    return [task.result() for task in looks]


def is_here(host: str) -> bool:
    """Whether `host` is an address of this machine: only then can a socket be bound to it. May look the name up."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(host, 0, type=socket.SOCK_DGRAM)[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.bind(address)
    except OSError:
        return False
    return True


async def listens(host: str, port: int) -> bool:
    """Whether something takes connections there."""
    try:
        async with asyncio.timeout(CONNECT_SECONDS):
            _, writer = await asyncio.open_connection(host, port)
    except OSError:
        return False
    writer.close()
    return True
