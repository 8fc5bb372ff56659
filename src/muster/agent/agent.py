"""The embedded agent: one node, in this process."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
import socket
import time
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace
from types import TracebackType
from typing import Self

from muster.agent.api.app import API
from muster.agent.dns import DNS
from muster.agent.dns.serving import serving_dns
from muster.agent.identity import Identity, as_told, identify
from muster.agent.local import Timing
from muster.agent.settings import DEFAULT_DATACENTER, DEFAULT_HTTP, FIXED, InForce, Limits, Settings
from muster.agent.state import State, living_state
from muster.agent.store.journal import Journal, keeping
from muster.http.asgi import App, Receive, Scope, Send
from muster.http.connection import Limits as ConnectionLimits
from muster.http.prompt import Prompt
from muster.http.server import Bound, serving
from muster.watch.background import background_tasks

_GRACE = 2.0
"""Seconds that requests under way have when the agent ends; waiting ones are answered at once."""

_SAVE_RENEWED_EVERY = 1.0
_NODE_ID = "node id"

_log = logging.getLogger("muster.agent")


class Agent:
    """A registry of one node that answers Consul's HTTP API on `http` (`HOST:PORT`; port 0 picks one).

        async with Agent(http="127.0.0.1:0") as agent:
            async with muster.Client(registry=agent.url) as client: ...

    Answers while the context lasts, and ends every check and every waiting query with it. Everything is in memory
    alone unless there is a `data_dir`, a directory of its own: then what was answered is there after a restart,
    however the process ended. `node` is the node's name, by default the machine's. Entering raises BadConfiguration
    where it cannot listen, or cannot use the directory. There is no access control: whoever reaches the port may
    write, so bind it to loopback unless the network is trusted.
    """

    def __init__(
        self,
        http: str = DEFAULT_HTTP,
        *,
        dns: str | DNS | None = None,
        node: str | None = None,
        datacenter: str = DEFAULT_DATACENTER,
        data_dir: str | os.PathLike[str] | None = None,
        timing: Timing | None = None,
    ) -> None:
        self._settings = Settings(http=http, dns=dns, node=node, datacenter=datacenter, data_dir=data_dir)
        self._timing = timing or Timing()
        self._left = asyncio.Event()
        self._stack = AsyncExitStack()
        self._bound: Bound | None = None
        self._dns: Bound | None = None
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
    def dns_address(self) -> str | None:
        """`host:port` that answers DNS, None where nothing does. Known once entered."""
        return None if self._dns is None else self._dns.address

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

    async def left(self) -> None:
        """Returns when a client has asked the agent to leave (PUT /v1/agent/leave): whoever entered it then ends it, as
        `muster agent` does."""
        await self._left.wait()

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
        in_force = InForce(settings.limits, self.reload, self._left.set)
        in_force.refuse_scripts = settings.refuse_scripts
        journal = None if settings.data_dir is None else await stack.enter_async_context(keeping(settings.data_dir))
        first = _first_index() if journal is None else max(_first_index(), journal.kept.last_index + 1)
        begin = await stack.enter_async_context(living_state(node, first, self._timing, in_force, journal))
        api: asyncio.Future[API] = asyncio.get_running_loop().create_future()
        limits = connection_limits(settings.limits)
        prompt = _if_ready(api)
        server = serving(_once_ready(api), settings.http, prompt=prompt, limits=limits, grace=_GRACE, capitals=True)
        bound = await stack.enter_async_context(server)
        identity = as_told(identify(bound.host, bound.port, node, settings.datacenter), settings)
        _warn_if_open(identity, bound.host)
        if journal is not None:
            identity = await _kept_identity(identity, settings, journal)
        state = begin(identity)
        self._apply = _applying(state, bound)
        self._apply(settings)
        tasks = await stack.enter_async_context(background_tasks())
        stack.callback(tasks.create_task(_reap(state, self._timing.reap_every), name="reap").cancel)
        if journal is not None:
            stack.callback(tasks.create_task(_save_renewed(state), name="save renewed").cancel)
            stack.callback(state.local.save_renewed)
        stack.callback(state.waiters.close)
        stack.callback(state.monitors.close)
        api.set_result(API(state))
        if settings.dns is not None:
            self._dns = await stack.enter_async_context(serving_dns(state, settings.dns))
            in_force.dns_port = self._dns.port
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

    def apply(settings: Settings) -> None:
        state.in_force.limits = settings.limits
        state.in_force.refuse_scripts = settings.refuse_scripts
        state.waiters.limit = settings.limits.max_blocked_queries
        bound.relimit(connection_limits(settings.limits))
        state.defined.apply(settings)

    return apply


def _warn_of_what_stays(running: Settings, wanted: Settings) -> None:
    changed = [name for name in FIXED if getattr(running, name) != getattr(wanted, name)]
    if changed:
        _log.warning("the configuration has a new %s: that needs a restart", ", ".join(changed))


async def _kept_identity(identity: Identity, settings: Settings, journal: Journal) -> Identity:
    """The identity with the node's id of before, unless the settings name another; it is the same next time."""
    known = journal.kept.facts.get(_NODE_ID)
    node_id = settings.node_id or known or identity.node_id
    if node_id != known:
        await asyncio.to_thread(journal.file.remember, _NODE_ID, node_id)
    return replace(identity, node_id=node_id)


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


async def _save_renewed(state: State) -> None:
    while True:
        await asyncio.sleep(_SAVE_RENEWED_EVERY)
        state.local.save_renewed()
