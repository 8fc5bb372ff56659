"""A gRPC server for one run of a service: bound, guarded, with health and reflection."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2_grpc

from muster.grpc.credentials import server_credentials
from muster.grpc.health import SERVICE as HEALTH
from muster.grpc.health import HealthServicer
from muster.grpc.interceptors import intercepting
from muster.grpc.listening import refuse_unusable
from muster.grpc.offered import Offered
from muster.grpc.reflection_server import add_reflection
from muster.grpc.slots import Slots
from muster.grpc.typed import NOTHING, TypedHandlers
from muster.model.errors import BadConfiguration
from muster.model.instance import join_host_port
from muster.serve.health import HealthState
from muster.serve.settings import TLS, Limits
from muster.serve.within import within

log = logging.getLogger("muster.grpc")

CANCEL_LIMIT = 0.3
"""Seconds that cancelled handlers have to end before they are left alone: hooks that close what they use come next."""

_OPTIONS = (
    # Without this a second bind to a used port succeeds, and the kernel deals connections out between strangers.
    ("grpc.so_reuseport", 0),
    # A client that vanished without a word (power, network) is noticed within 40 s, and its handlers are cancelled.
    ("grpc.keepalive_time_ms", 30_000),
    ("grpc.keepalive_timeout_ms", 10_000),
    # grpcio 1.85 goes by this one, whose default is a minute, and not by the one above.
    ("grpc.http2.ping_timeout_ms", 10_000),
    # gRPC's servers hang up on clients that ping more often than every 5 minutes; muster's clients do.
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.min_ping_interval_without_data_ms", 5_000),
)
"""https://github.com/grpc/grpc/blob/master/doc/keepalive.md"""


class GRPCServer:
    """Serves what is `offered` and `typed`. For one event loop and one run: `listen`, `serve`, `stop`."""

    def __init__(
        self,
        offered: Offered,
        health: HealthState,
        limits: Limits,
        tls: TLS | None,
        interceptors: Iterable[object],
        typed: TypedHandlers = NOTHING,
    ) -> None:
        self._offered = offered
        self._typed = typed
        self._health = health
        self._limits = limits
        self._tls = tls
        self._interceptors = intercepting(interceptors)
        self._slots = Slots(limits.calls)
        self._threads: ThreadPoolExecutor | None = None
        self._server: grpc.aio.Server | None = None

    async def listen(self, host: str, port: int) -> int:
        """Bind, and return the port. Calls are not taken before `serve`. Raises BadConfiguration where it cannot."""
        await refuse_unusable(host, port)
        credentials = self._tls and server_credentials(self._tls)
        self._server = self._assemble()
        where = join_host_port(host or "::", port)
        try:
            if credentials:
                return int(self._server.add_secure_port(where, credentials))
            return int(self._server.add_insecure_port(where))
        except RuntimeError as error:
            raise BadConfiguration(f"cannot listen on {where}: {error}") from error

    async def serve(self) -> None:
        assert self._server is not None, "listen comes first"
        await self._server.start()

    async def stop(self, grace: float) -> None:
        """Refuse new calls, give those under way `grace` seconds, cancel them, close. Fine without `serve`.

        Handlers that go on after being cancelled are left alone after CANCEL_LIMIT seconds, and logged.
        """
        server, self._server = self._server, None
        if server is None:
            return
        try:
            async with within(grace + CANCEL_LIMIT):
                await server.stop(grace)
                await self._slots.emptied()
        except TimeoutError:
            if going_on := self._slots.taken:
                log.error("%d handlers go on although they were cancelled", going_on)
        except asyncio.CancelledError:
            await server.stop(None)
            raise
        finally:
            self._close_threads()

    def _assemble(self) -> grpc.aio.Server:
        self._threads = ThreadPoolExecutor(self._limits.threads, "muster-grpc")
        server = grpc.aio.server(
            self._threads, interceptors=self._interceptors, options=(*_OPTIONS, *_sizes(self._limits))
        )
        self._offered.install(server, self._slots)
        self._typed.install(server, self._slots)
        health_pb2_grpc.add_HealthServicer_to_server(HealthServicer(self._health), server)
        add_reflection(server, (*sorted({*self._offered.services, *self._typed.services}), HEALTH))
        return server

    def _close_threads(self) -> None:
        if self._threads is not None:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _sizes(limits: Limits) -> tuple[tuple[str, Any], ...]:
    return (
        ("grpc.max_receive_message_length", limits.received),
        ("grpc.max_send_message_length", limits.sent),
    )
