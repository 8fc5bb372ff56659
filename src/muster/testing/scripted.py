"""An HTTP server that answers by script, over real sockets: what a registry does on its bad days.

    async with Scripted([answer(b"[]", index=7), REFUSE, HANG]) as server:
        ...  # server.address, server.requests

Each request takes the next step; the last step is repeated for ever. It parses only as much as a client sends.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self


@dataclass(frozen=True, slots=True)
class Received:
    """A request as it came. `headers` have names in lower case. `connection` counts connections from 1."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    connection: int

    @property
    def path(self) -> str:
        return self.target.partition("?")[0]

    @property
    def params(self) -> dict[str, str]:
        """The parameters, not decoded; a bare name has an empty value."""
        pairs = (part.partition("=") for part in self.target.partition("?")[2].split("&") if part)
        return {name: value for name, _, value in pairs}


@dataclass(frozen=True, slots=True)
class Send:
    """Write these bytes, then close the connection where `close`."""

    data: bytes
    close: bool = False


@dataclass(frozen=True, slots=True)
class Hang:
    """Write these bytes, then nothing more until the client goes away."""

    data: bytes = b""


Step = Send | Hang
Script = Callable[[Received], Step]

ACCEPTING = 5
"""Turns of the loop in which a connection that asyncio has accepted reaches its server."""

HANG = Hang()
REFUSE = Send(b"", close=True)
"""Closes without an answer. (A port that nobody listens on is the other kind of refusal.)"""


def answer(
    body: bytes | str = b"", *, status: int = 200, index: int | None = None, headers: Mapping[str, str] | None = None
) -> Send:
    """A whole answer, with X-Consul-Index where `index` is given."""
    data = body.encode() if isinstance(body, str) else body
    lines = {"Content-Length": str(len(data)), **({} if index is None else {"X-Consul-Index": str(index)})}
    return Send(head(status, {**lines, **(headers or {})}) + data)


def head(status: int, headers: Mapping[str, str]) -> bytes:
    """Status line and headers, for answers that are wrong on purpose."""
    lines = [f"HTTP/1.1 {status} Scripted", *(f"{name}: {value}" for name, value in headers.items()), "", ""]
    return "\r\n".join(lines).encode()


@dataclass(slots=True)
class Scripted:
    """The server, on a free port of 127.0.0.1, with TLS where `tls` is given, or on a Unix socket.

    `script` is a list of steps, or a function from a request to its step. `requests` has what came, in order.
    """

    script: Sequence[Step] | Script
    socket: str = ""
    tls: ssl.SSLContext | None = None
    requests: list[Received] = field(default_factory=list[Received])
    gone: int = 0
    """How many connections their clients have closed."""
    _server: asyncio.Server | None = None
    _connections: int = 0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)
    _writers: set[asyncio.StreamWriter] = field(default_factory=set[asyncio.StreamWriter])

    @property
    def address(self) -> str:
        assert self._server is not None, "enter it first"
        host, port = self._server.sockets[0].getsockname()[:2]
        return f"{host}:{port}"

    async def until(self, hoped_for: Callable[[Self], bool], seconds: float = 30.0) -> None:
        """Returns once what came is as hoped for. Raises AssertionError after `seconds`."""
        try:
            async with asyncio.timeout(seconds):
                while not hoped_for(self):
                    self._changed.clear()
                    await self._changed.wait()
        except TimeoutError:
            raise AssertionError(f"not within {seconds} s; {self.gone} gone; came: {self.requests}") from None

    async def __aenter__(self) -> Self:
        if self.socket:
            self._server = await asyncio.start_unix_server(self._serve, self.socket)
        else:
            self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, ssl=self.tls, backlog=1024)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def stop(self) -> None:
        """Close the port and every connection: nobody is there any more. Fine where it has stopped."""
        assert self._server is not None, "enter it first"
        self._server.close()
        for _ in range(ACCEPTING):
            await asyncio.sleep(0)
        for writer in tuple(self._writers):
            writer.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._connections += 1
        number = self._connections
        self._writers.add(writer)
        try:
            while received := await _receive(reader, number):
                self.requests.append(received)
                self._changed.set()
                if not await _follow(self._step(received), reader, writer):
                    break
        except (ConnectionError, asyncio.IncompleteReadError):
            pass  # the client has gone, which `gone` tells
        finally:
            self._writers.discard(writer)
            self.gone += reader.at_eof()
            self._changed.set()
            writer.close()

    def _step(self, received: Received) -> Step:
        if callable(self.script):
            return self.script(received)
        return self.script[min(len(self.requests), len(self.script)) - 1]


async def _follow(step: Step, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
    """Whether the connection goes on."""
    writer.write(step.data)
    await writer.drain()
    if isinstance(step, Hang):
        await reader.read()
        return False
    return not step.close


async def _receive(reader: asyncio.StreamReader, connection: int) -> Received | None:
    """The next request, or None where the client has closed."""
    try:
        lines = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    except asyncio.IncompleteReadError:
        return None
    method, target, _ = lines[0].split(" ")
    pairs = (line.partition(":") for line in lines[1:] if line)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    return Received(method, target, headers, body, connection)
