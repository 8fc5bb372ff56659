"""The proxy: one place for the processes of a machine or a pod to read a registry through."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from muster.agent.blocking import Waiters
from muster.agent.proxy.app import App
from muster.agent.proxy.following import LINGER, Following
from muster.agent.proxy.upstream import Upstream
from muster.http.connection import Limits
from muster.http.server import Bound, serving
from muster.model.errors import BadConfiguration
from muster.registry.consul.config import configure
from muster.watch.background import background_tasks

_LIMITS = Limits(head_bytes=1 << 20, idle_seconds=600.0)
"""As the agent's own: Consul takes heads of 1 MiB and closes no idle connection."""

_MOST_WAITING = 50_000
_GRACE = 2.0

_log = logging.getLogger("muster.agent.proxy")


class Proxy:
    """Answers Consul's HTTP API on `http` (`HOST:PORT`; port 0 picks one) with what the agent at `upstream` says.

        async with Proxy("consul://10.0.0.7:8500", http="127.0.0.1:8500") as proxy:
            async with muster.Client(registry=proxy.url) as client: ...

    Blocking and stale reads of the catalog, of health and of keys are shared: however many clients ask the same thing
    with the same token, the agent sees one blocking query. All else is passed on as it is, writes too. While the agent
    does not answer, readers are told so at once; each of them has its own last known good.

    `upstream` is the registry URL of one agent; its `queries` limits how many questions block there, and a token in it
    is used for requests that bring none: then whoever reaches the proxy has that token's rights. Making one raises
    BadConfiguration for a URL that cannot be used, entering where it cannot listen.
    """

    def __init__(
        self,
        upstream: str,
        http: str = "127.0.0.1:8500",
        *,
        linger: float = LINGER,
        environ: Mapping[str, str] = os.environ,
    ) -> None:
        self._config = configure(upstream, environ)
        self._http = http
        self._linger = linger
        self._stack = AsyncExitStack()
        self._bound: Bound | None = None
        self._following: Following | None = None

    @property
    def address(self) -> str:
        """`host:port` to connect to from this machine. Known once entered."""
        if self._bound is None:
            raise RuntimeError("the proxy does not run: enter it with `async with`")
        return self._bound.address

    @property
    def url(self) -> str:
        """The proxy as a registry URL, `consul://host:port`. Known once entered."""
        return f"consul://{self.address}"

    @property
    def followed(self) -> int:
        """How many questions are followed at the agent now."""
        return self._following.count if self._following else 0

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            await self._start(stack)
            self._stack = stack.pop_all()
        _log.info("the proxy of %s answers at %s", self._config, self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _start(self, stack: AsyncExitStack) -> None:
        upstream, waiters = Upstream(self._config), Waiters(_MOST_WAITING)
        stack.push_async_callback(upstream.close)
        tasks = await stack.enter_async_context(background_tasks())
        self._following = Following(upstream, waiters, tasks, self._linger)
        stack.callback(self._following.close)
        app = App(upstream, self._following)
        server = serving(app, self._http, limits=_LIMITS, grace=_GRACE, capitals=True)
        self._bound = await stack.enter_async_context(server)
        stack.callback(waiters.close)
        if self.address == str(upstream):
            raise BadConfiguration(f"{self._config} is the proxy itself: name the agent that it stands before")
