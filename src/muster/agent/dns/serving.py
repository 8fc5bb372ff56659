"""An agent's DNS, while a context lasts."""

from __future__ import annotations

import asyncio
import errno
import ipaddress
import logging
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from random import Random
from typing import TYPE_CHECKING

from muster.agent.dns.reverse import AddressNames
from muster.agent.dns.settings import DNS
from muster.agent.dns.zone import Known
from muster.agent.queries.executing import Executed, execute
from muster.agent.queries.queries import BadQuery
from muster.agent.state import State
from muster.http.listening import listen
from muster.http.server import Bound
from muster.model.errors import BadConfiguration
from muster.model.instance import join_host_port
from muster.watch.background import background_tasks

if TYPE_CHECKING:
    from muster.agent.dns.server import Conversation

_TRIES = 20
"""Ports to try where the system may choose: one that is free for TCP need not be so for UDP."""

_log = logging.getLogger("muster.agent.dns")


@asynccontextmanager
async def serving_dns(state: State, settings: DNS | str) -> AsyncIterator[Bound]:
    """Answers DNS from `state` while the context lasts, as `settings` say or at that address. Raises BadConfiguration
    where dnspython is not installed or the address is taken."""
    try:
        from muster.agent.dns.server import Answering, Conversation, Datagrams
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != "dns":
            raise
        raise BadConfiguration("DNS needs the extra 'agent': pip install 'muster-discovery[agent]'") from None
    settings = DNS(settings) if isinstance(settings, str) else settings
    loop = asyncio.get_running_loop()
    open_ones: set[Conversation] = set()
    async with AsyncExitStack() as stack:
        streams, datagrams = await _sockets(settings.address)
        stack.callback(streams.close)
        stack.callback(datagrams.close)
        host, port = streams.getsockname()[:2]
        _warn_if_open(settings, host, port)
        tasks = await stack.enter_async_context(background_tasks())
        answering = Answering(known_by(state), settings, tasks)
        stack.callback(answering.close)
        transport, _ = await loop.create_datagram_endpoint(lambda: Datagrams(answering), sock=datagrams)
        stack.callback(transport.close)
        server = await loop.create_server(lambda: Conversation(answering, open_ones), sock=streams)
        stack.callback(_abort, open_ones)
        stack.callback(server.close)
        yield Bound(host, port)


def known_by(state: State) -> Known:
    """What DNS tells of an agent."""
    identity, rng = state.identity, Random()

    def executed(name: str) -> Executed | None:
        try:
            query = state.queries.meant_by(name)
        except BadQuery:
            return None
        return None if query is None else execute(state.catalog, query, rng, identity.node)

    return Known(state.catalog, executed, AddressNames(state.catalog), identity.node, identity.datacenter)


def _abort(conversations: set[Conversation]) -> None:
    for conversation in list(conversations):
        conversation.abort()


async def _sockets(address: str) -> tuple[socket.socket, socket.socket]:
    """For TCP and for UDP, on the same port."""
    for _ in range(_TRIES):
        streams = await listen(address)
        try:
            return streams, _datagrams(streams)
        except OSError as error:
            taken = streams.getsockname()[1]
            streams.close()
            if error.errno != errno.EADDRINUSE or address.rpartition(":")[2] != "0":
                raise BadConfiguration(f"cannot take questions by UDP on port {taken}: {error.strerror}") from error
    raise BadConfiguration(f"found no port of {address} that is free for both TCP and UDP")


def _datagrams(streams: socket.socket) -> socket.socket:
    datagrams = socket.socket(streams.family, socket.SOCK_DGRAM)
    try:
        if streams.family == socket.AF_INET6:
            datagrams.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        datagrams.setblocking(False)
        datagrams.bind(streams.getsockname()[:2])
    except OSError:
        datagrams.close()
        raise
    return datagrams


def _warn_if_open(settings: DNS, host: str, port: int) -> None:
    _log.info("DNS for %s is at %s", settings.domain, join_host_port(host, port))
    if settings.recursors and not ipaddress.ip_address(host).is_loopback:
        _log.warning(
            "DNS listens beyond this machine and has recursors: whoever reaches it can ask them, and have "
            "answers sent to others"
        )
