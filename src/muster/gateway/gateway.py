"""Gateway: one HTTP door to all services."""

from __future__ import annotations

from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from muster.gateway.app import App
from muster.gateway.body import BodyLimits
from muster.gateway.forward import Client, Forwarder
from muster.gateway.names import Names
from muster.http.connection import Limits as ConnectionLimits
from muster.http.server import Bound, serving
from muster.serve.advertise import is_loopback


@dataclass(frozen=True, slots=True)
class Limits:
    """What the gateway takes from clients. Times in seconds.

    `body_bytes`: the same as gRPC's default for a message, so that larger ones would not arrive anyway.
    `body_seconds`: from a request's headers to the end of its body. `timeout`: for a call; less where the request asks
    for less. `concurrent`: requests worked on at a time. `connections`: what HTTP clients may do before that.
    """

    body_bytes: int = 4 << 20
    body_seconds: float = 10.0
    timeout: float = 30.0
    concurrent: int = 1000
    connections: ConnectionLimits = field(default_factory=ConnectionLimits)


class Gateway:
    """Serves the services that a client finds to HTTP clients: `/greeter/say/hello` calls Say.Hello of `greeter`.

        async with muster.Client() as client, Gateway(client, "127.0.0.1:8080") as gateway:
            print(gateway.url)

    Making one does no I/O. Listening once entered; leaving refuses new requests and gives those under way `grace`
    seconds. It takes no signals. Whether a call is retried is the client's to decide: a GET is no promise here that a
    method may be repeated, so tell the client which ones are `idempotent`. Why nobody can be called is told in full
    where only this machine can ask; on any other address the details, which name addresses, are for the log.
    """

    def __init__(
        self, client: Client, http: str = "127.0.0.1:8080", *, limits: Limits = Limits(), grace: float = 5.0
    ) -> None:
        self._client = client
        self._http = http
        self._limits = limits
        self._grace = grace
        self._stack = AsyncExitStack()
        self._bound: Bound | None = None

    async def __aenter__(self) -> Self:
        """Raises BadConfiguration for an address that cannot be listened at."""
        limits = self._limits
        names = Names(self._client.names, self._client.overridden)
        frank = is_loopback(self._http.rpartition(":")[0].strip("[]"))
        forwarder = Forwarder(self._client, names, limits.timeout, frank=frank)
        app = App(forwarder, BodyLimits(limits.body_bytes, limits.body_seconds), limits.concurrent)
        server = serving(app, self._http, limits=limits.connections, grace=self._grace)
        self._bound = await self._stack.enter_async_context(server)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
        self._bound = None

    @property
    def url(self) -> str:
        """`http://host:port`, without a slash at the end."""
        return self._where.url

    @property
    def address(self) -> str:
        """`host:port`."""
        return self._where.address

    @property
    def _where(self) -> Bound:
        if self._bound is None:
            raise RuntimeError("the gateway is not open: use 'async with Gateway(...) as gateway'")
        return self._bound
