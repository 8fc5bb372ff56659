"""An HTTP/1.1 server for one run of a service: bound, served and stopped as its life wants it."""

from __future__ import annotations

import logging
import ssl
from contextlib import AsyncExitStack

from muster.http.incoming import Incoming
from muster.http.server import serving
from muster.http.typed.app import Hosted, TypedApp
from muster.model.errors import BadConfiguration
from muster.model.instance import join_host_port
from muster.serve.settings import TLS, Limits
from muster.serve.within import within
from muster.watch.background import background_tasks

log = logging.getLogger("muster.http")

_LONG = 3600.0
"""Seconds: `stop` is told how long calls may go on."""


class HTTPServer:
    """Serves what is `hosted`. For one event loop and one run: `listen`, `serve`, `stop`.

    With `incoming` it does not bind, but takes the connections that come from there.
    """

    def __init__(self, hosted: Hosted, limits: Limits, tls: TLS | None, incoming: Incoming | None = None) -> None:
        self._hosted = hosted
        self._limits = limits
        self._tls = tls
        self._incoming = incoming
        self._stack = AsyncExitStack()

    async def listen(self, host: str, port: int) -> int:
        """Bind, and return the port. Health alone is answered before `serve`. Raises BadConfiguration if it cannot."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(background_tasks())
            app = TypedApp(self._hosted, self._limits, tasks.create_task)
            address = self._incoming or join_host_port(host or "0.0.0.0", port)
            listening = serving(app, address, grace=_LONG, tls=_context(self._tls))
            bound = await stack.enter_async_context(listening)
            self._stack = stack.pop_all()
        return bound.port

    async def serve(self) -> None:
        """Nothing to do: calls are taken from the moment when the health of the run says that it serves."""

    async def stop(self, grace: float) -> None:
        """Refuse new connections, give requests under way `grace` seconds, cancel them, close. Fine without `serve`."""
        try:
            async with within(grace):
                await self._stack.aclose()
        except TimeoutError:
            log.debug("requests were cut off after %.1f s", grace)


def _context(tls: TLS | None) -> ssl.SSLContext | None:
    """Raises BadConfiguration for files that are no certificate and key."""
    if tls is None:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    try:
        context.load_cert_chain(tls.certificate, tls.key)
        if tls.client_ca is not None:
            context.load_verify_locations(tls.client_ca)
            context.verify_mode = ssl.CERT_REQUIRED
    except OSError as error:
        raise BadConfiguration(
            f"cannot use the certificate {tls.certificate}, the key or the authority: {error}"
        ) from error
    return context
