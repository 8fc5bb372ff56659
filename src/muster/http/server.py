"""An ASGI application on an address, within this process.

uvicorn's own Server is left out: it takes the process's signals, and looks ten times a second whether it should
stop, so that each stop costs 0.2 s. Its HTTP protocol is used with a listener of ours.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from uvicorn.config import Config

from muster.http.asgi import App, Receive, Scope, Send
from muster.http.connection import Connection, Connections, Limits
from muster.http.incoming import Incoming, Taking, taking
from muster.http.listening import listen
from muster.http.prompt import Prompt, PromptConnection
from muster.model.instance import join_host_port

_CANCEL_SECONDS = 1.0
_WILDCARDS = {"0.0.0.0": "127.0.0.1", "::": "::1"}


@dataclass(frozen=True, slots=True)
class Bound:
    """Where a server listens."""

    host: str
    port: int
    _state: Connections | None = field(default=None, repr=False, compare=False)

    @property
    def address(self) -> str:
        """`host:port`, to connect to from this machine: loopback for a wildcard."""
        return join_host_port(_WILDCARDS.get(self.host, self.host), self.port)

    @property
    def url(self) -> str:
        return f"http://{self.address}"

    def relimit(self, limits: Limits) -> None:
        """Hold connections to other limits from now on. Those that stand stay, with the time that they may be idle."""
        if self._state is not None:
            self._state.limits = limits


@asynccontextmanager
async def serving(
    app: App,
    address: str | Incoming,
    *,
    prompt: Prompt | None = None,
    limits: Limits | None = None,
    grace: float = 5.0,
    tls: ssl.SSLContext | None = None,
    capitals: bool = False,
) -> AsyncIterator[Bound]:
    """Serves `app` on `address` (`HOST:PORT`; port 0 picks one), or to what comes in, while the context lasts.

    With `prompt` that is asked first, and `app` where it has no answer. With `capitals` headers go out as
    `Content-Type`, not as `content-type`; those of a prompt answer as they are.

    Listening when entered. On leaving, new connections are refused, idle ones closed, and requests under way have
    `grace` seconds to finish; then their connections are cut and their calls of `app` cancelled. Takes no signals
    and runs no lifespan. Raises BadConfiguration where it cannot listen.
    """
    config = _config(app, limits or Limits())
    state = Connections(limits or Limits(), capitals=capitals)
    make = partial(_connection, config, state, prompt)
    opened = _listening(address, make, tls) if isinstance(address, str) else taking(address, make, tls)
    async with opened as server:
        host, port = server.place if isinstance(server, Taking) else server.sockets[0].getsockname()[:2]
        try:
            yield Bound(host, port, state)
        finally:
            await _stop(server, state, grace)


@asynccontextmanager
async def _listening(
    address: str, make: Callable[[], asyncio.Protocol], tls: ssl.SSLContext | None
) -> AsyncIterator[asyncio.Server]:
    listener = await listen(address)
    yield await asyncio.get_running_loop().create_server(make, sock=listener, ssl=tls)


def _connection(config: Config, state: Connections, prompt: Prompt | None) -> Connection:
    return Connection(config, state) if prompt is None else PromptConnection(config, state, prompt)


def _config(app: App, limits: Limits) -> Config:
    config: Any = Config(
        _ending_quietly(app),
        interface="asgi3",
        http=Connection,
        ws="none",
        lifespan="off",
        log_config=None,
        proxy_headers=False,
        timeout_keep_alive=limits.idle_seconds,  # type: ignore[arg-type]
    )
    config.load()
    return config  # type: ignore[no-any-return]


def _ending_quietly(app: App) -> App:
    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await app(scope, receive, send)
        except asyncio.CancelledError:
            # Only `_stop` cancels, once the connection is cut; uvicorn would log a traceback for it.
            return

    return call


async def _stop(server: asyncio.Server | Taking, state: Connections, grace: float) -> None:
    server.close()
    for connection in list(state.connections):
        connection.shutdown()
    try:
        with suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await state.closed()
                await _ended(state)
    finally:
        await _cut(state)


async def _ended(state: Connections) -> None:
    if state.tasks:
        await asyncio.wait(list(state.tasks))


async def _cut(state: Connections) -> None:
    """Ends what is left: connections first, so that nobody takes a cancelled call's silence for an answer."""
    for connection in list(state.connections):
        connection.transport.abort()
    await state.closed()
    for task in list(state.tasks):
        task.cancel()
    with suppress(TimeoutError):  # an application that ignores its cancellation is left behind
        async with asyncio.timeout(_CANCEL_SECONDS):
            await _ended(state)
