"""The ASGI application that a service hosts beside what else it offers."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from muster.model.errors import Rejected
from muster.model.instance import GRPC, HTTP
from muster.serve.health import HealthState

if TYPE_CHECKING:
    from muster.http.asgi import App


@dataclass(slots=True)
class Mount:
    """What was mounted, and for one run the `state` that its lifespan left."""

    app: App | None = None
    state: Mapping[str, Any] | None = None

    def set(self, app: App) -> None:
        """Raises Rejected for a second one."""
        if self.app is not None:
            raise Rejected("an application is mounted already: mount one that routes to both")
        self.app = app

    @asynccontextmanager
    async def begun(self) -> AsyncIterator[None]:
        """Within the application's lifespan. Raises LifespanFailed."""
        if self.app is None:
            yield
            return
        from muster.http.lifespan import begun

        async with begun(self.app) as self.state:
            yield

    def serving(self, health: HealthState) -> App | None:
        """What gets the requests of a run that are nobody else's. Within `begun`."""
        if self.app is None:
            return None
        from muster.http.mounted import mounted

        return mounted(self.app, self.state or {}, health)

    def protocols(self, asked: tuple[str, ...] | None, handlers: bool, generated: bool) -> tuple[str, ...]:
        """By which a service is called: those that were asked for, or all that it has something to offer by. Raises
        Rejected where HTTP is left out."""
        if asked is None:
            by_grpc = generated or handlers or self.app is None
            by_http = handlers or self.app is not None
            return (GRPC,) * by_grpc + (HTTP,) * by_http
        if self.app is not None and HTTP not in asked:
            raise Rejected(f"an application is mounted, which is called by HTTP: add it to protocols={asked!r}")
        return asked
