"""The embedded agent: one node, in this process."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Self

from muster.agent.api.app import API
from muster.agent.defined import DefinedServices
from muster.agent.identity import Identity, as_told, identify
from muster.agent.local import Timing
from muster.agent.settings import DEFAULT_DATACENTER, DEFAULT_HTTP, FIXED, InForce, Limits, Settings
from muster.agent.state import State, living_state
from muster.http.asgi import App, Receive, Scope, Send
from muster.http.connection import Limits as ConnectionLimits
from muster.http.prompt import Prompt
from muster.http.server import Bound, serving
from muster.watch.background import background_tasks

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
        http: str = DEFAULT_HTTP,
        *,
        node: str | None = None,
        datacenter: str = DEFAULT_DATACENTER,
        timing: Timing | None = None,
    ) -> None:
        self._settings = Settings(http=http, node=node, datacenter=datacenter)
        self._timing = timing or Timing()
        self._stack = AsyncExitStack()
        self._bound: Bound | None = None
        self._read: Callable[[], Settings] | None = None
        self._apply: Callable[[Settings], None] | None = None

    @classmethod
    def configured(cls, read: Callable[[], Settings]) -> Self:
        """An agent with all that can be set. `read` is asked for it now, and again at each `reload`."""
        agent = cls()
        agent._settings = read()
        agent._read = read
        return agent

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

    def reload(self) -> None:
        """Read the configuration again: limits, services and checks are then as it says.

        Belongs on the agent's event loop, and blocks while files are read. Raises BadConfiguration, and then everything
        stays as it was. What only a restart changes is named in a warning. An agent that was told by arguments what to
        be has nothing to read, which is no failure.
        """
        if self._read is None or self._apply is None:
            return
        settings = self._read()
        self._apply(settings)
        _warn_of_what_stays(self._settings, settings)
        _log.info("the configuration was read again: it defines %d services", len(settings.services))

    async def _start(self, stack: AsyncExitStack) -> Bound:
        settings = self._settings
        node = settings.node or socket.gethostname()
        in_force = InForce(settings.limits, self.reload)
        begin = await stack.enter_async_context(living_state(node, _first_index(), self._timing, in_force))
        api: asyncio.Future[API] = asyncio.get_running_loop().create_future()
        limits = connection_limits(settings.limits)
        server = serving(_once_ready(api), settings.http, prompt=_if_ready(api), limits=limits, grace=_GRACE)
        bound = await stack.enter_async_context(server)
        identity = as_told(identify(bound.host, bound.port, node, settings.datacenter), settings)
        _warn_if_open(identity, bound.host)
        state = begin(identity)
        self._apply = _applying(state, bound)
        self._apply(settings)
        tasks = await stack.enter_async_context(background_tasks())
        stack.callback(tasks.create_task(_reap(state, self._timing.reap_every), name="reap").cancel)
        stack.callback(state.waiters.close)
        api.set_result(API(state))
        return bound


def _once_ready(api: asyncio.Future[API]) -> App:
    """An application for requests that may come before the port, and with it the agent's identity, is known."""

    async def call(scope: Scope, receive: Receive, send: Send) -> None:
        await (await api)(scope, receive, send)

    return call


def _if_ready(api: asyncio.Future[API]) -> Prompt:
    return lambda request: api.result().prompt(request) if api.done() else None


def _first_index() -> int:
    """Microseconds since the epoch: above what any earlier agent came to, and exact in JavaScript's numbers.

    An agent that keeps nothing must not start from 1 again: clients that outlived the last one wait with its indexes,
    and to them every lower index means that nothing has changed.
    """
    return time.time_ns() // 1000


def connection_limits(limits: Limits) -> ConnectionLimits:
    """What of the agent's limits is a matter of connections."""
    return ConnectionLimits(
        head_bytes=limits.http_max_head_bytes,
        head_seconds=limits.http_head_timeout,
        idle_seconds=limits.http_idle_timeout,
        connections=limits.http_max_conns,
        connections_per_client=limits.http_max_conns_per_client,
    )


def _applying(state: State, bound: Bound) -> Callable[[Settings], None]:
    """What puts settings into force, at the beginning and when they were read again."""
    defined = DefinedServices(state.local, state.identity.node)

    def apply(settings: Settings) -> None:
        state.in_force.limits = settings.limits
        state.waiters.limit = settings.limits.max_blocked_queries
        bound.relimit(connection_limits(settings.limits))
        defined.apply(settings)

    return apply


def _warn_of_what_stays(running: Settings, wanted: Settings) -> None:
    changed = [name for name in FIXED if getattr(running, name) != getattr(wanted, name)]
    if changed:
        _log.warning("the configuration has a new %s: that needs a restart", ", ".join(changed))


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
