"""A name answered by the addresses that a host name resolves to."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Self

from muster.model.errors import RegistryUnavailable
from muster.model.instance import Instance, join_host_port
from muster.model.snapshot import Absent, Answer, Known

INTERVAL = 5.0
"""Seconds between look-ups. The system's resolver does not tell a record's TTL; 5 s is a usual one of service DNS."""


class Resolved:
    """Discovery by the system's resolver: every name has one instance an address of `host`, at `port`."""

    def __init__(self, host: str, port: int, *, interval: float = INTERVAL) -> None:
        self._host = host
        self._port = port
        self._interval = interval

    def __str__(self) -> str:
        return f"dns://{join_host_port(self._host, self._port)}"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        while True:
            yield await self._look_up(name)
            await asyncio.sleep(self._interval)

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        raise RegistryUnavailable(f"{self}: DNS cannot list names")
        yield {}

    async def _look_up(self, name: str) -> Answer:
        loop = asyncio.get_running_loop()
        try:
            found = await loop.getaddrinfo(self._host, self._port, type=socket.SOCK_STREAM)
        except socket.gaierror as error:
            if error.errno in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", socket.EAI_NONAME)):
                return Absent(name)
            raise RegistryUnavailable(f"{self}: {error.strerror}") from error
        hosts = sorted({str(address[0]) for *_, address in found})
        return Known(name, tuple(self._instance(name, host) for host in hosts))

    def _instance(self, name: str, host: str) -> Instance:
        return Instance(f"{name}@{join_host_port(host, self._port)}", name, host, self._port)
