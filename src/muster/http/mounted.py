"""Another ASGI application, hosted by muster's own HTTP server."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.http.asgi import App, Receive, Scope, Send
from muster.http.departing import closing
from muster.serve.health import HealthState
from muster.serve.lifecycle import Phase


def mounted(app: App, state: Mapping[str, Any], health: HealthState) -> App:
    """`app` for one run of a service. `state` is what its lifespan left for requests; each gets a copy.

    While the run drains callers are told to connect elsewhere next.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"] = dict(state)
        await app(scope, receive, send if health.phase is Phase.SERVING else closing(send))

    return serve
