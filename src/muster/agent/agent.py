"""The embedded agent: one node, in this process."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import time
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from muster.agent.api.app import API
from muster.agent.identity import Identity, identify
from muster.agent.local import Timing
from muster.agent.state import State, living_state
from muster.http.asgi import App, Receive, Scope, Send
from muster.http.connection import Limits
from muster.http.server import Bound, serving
from muster.watch.background import background_tasks

_LIMITS = Limits(head_bytes=1 << 20, idle_seconds=600.0)
"""Consul takes heads of 1 MiB, and closes no idle connection; heartbeats must find theirs open."""

_LARGEST_BODY = 4 << 20
_MOST_WAITING = 50_000
_GRACE = 2.0
"""Seconds that requests under way have when the agent ends; waiting ones are answered at once."""

_log = logging.getLogger("muster.agent")


class Agent:
    """A registry of one node that answers Consul's HTTP API on `http` (`HOST:PORT`; port 0 picks one).

        async with Agent(http="127.0.0.1:0") as agent:
            async with muster.Client(registry=agent.url) as client: ...

    Answers while the context lasts, keeps everything in memory, and ends every check and every waiting query with it.
    `node` is the node's name, by default the machine's. Entering raises BadConfiguration where it cannot listen. There
    is no access control: whoever reaches the port may write, so bind it to loopback unless the network is trusted.
    """

    def __init__(
        self,
        http: str = "127.0.0.1:8500",
        *,
        node: str | None = None,
        datacenter: str = "dc1",
        timing: Timing | None = None,
    ) -> None:
        self._http = http
        self._node = node
        self._datacenter = datacenter
        self._timing = timing or Timing()
        self._stack = AsyncExitStack()
        self._bound: Bound | None = None

    @property
    def address(self) -> str:
        """`host:port` to connect to from this machine. Known once entered."""
        if self._bound is None:
            raise RuntimeError("the agent does not run: enter it with `async with`")
        return self._bound.address

    @property
    def url(self) -> str:
        """The agent as a registry URL, `consul://host:port`. Known once entered."""
        return f"consul://{self.address}"

    async def __aenter__(self) -> Self:
        async with AsyncExitStack() as stack:
            self._bound = await self._start(stack)
            self._stack = stack.pop_all()
        _log.info("the agent answers at %s", self.address)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)

    async def _start(self, stack: AsyncExitStack) -> Bound:
        node = self._node or socket.gethostname()
        begin = await stack.enter_async_context(living_state(node, _first_index(), self._timing, _MOST_WAITING))
        api: asyncio.Future[API] = asyncio.get_running_loop().create_future()
        bound = await stack.enter_async_context(serving(_once_ready(api), self._http, limits=_LIMITS, grace=_GRACE))
        identity = identify(bound.host, bound.port, node, self._datacenter)
        _warn_if_open(identity, bound.host)
        state = begin(identity)
        tasks = await stack.enter_async_context(background_tasks())
        stack.callback(tasks.create_task(_reap(state, self._timing.reap_every), name="reap").cancel)
        stack.callback(state.waiters.close)
        api.set_result(API(state, _LARGEST_BODY))
        return bound


def _once_ready(api: asyncio.Future[API]) -> App:
    """An application for requests that may come before the port, and with it the agent's identity, is known."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await (await api)(scope, receive, send)

    return call


def _first_index() -> int:
    """Microseconds since the epoch: above what any earlier agent came to, and exact in JavaScript's numbers.

    An agent that keeps nothing must not start from 1 again: clients that outlived the last one wait with its indexes,
    and to them every lower index means that nothing has changed.
    """
    return time.time_ns() // 1000


def _warn_if_open(identity: Identity, host: str) -> None:
    if not ipaddress.ip_address(host).is_loopback:
        _log.warning(
            "the agent listens on %s:%d, beyond this machine, and has no access control: whoever reaches it can write",
            host,
            identity.port,
        )


async def _reap(state: State, every: float) -> None:
    """Remove instances that have been critical for longer than they allow, and forget lock delays that are over."""
    while True:
        await asyncio.sleep(every)
        now = asyncio.get_running_loop().time()
        state.pairs.forget_delays(now)
        for service_id in state.local.overdue(now):
            _log.warning("instance %s has been critical for too long: removed", service_id)
            state.local.deregister_service(service_id)
