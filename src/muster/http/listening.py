"""A bound, listening socket for an address that a person wrote."""

from __future__ import annotations

import asyncio
import errno
import socket

from muster.model.errors import BadConfiguration
from muster.model.instance import split_host_port

_BACKLOG = 2048


async def listen(address: str) -> socket.socket:
    """Binds `HOST:PORT` and listens; port 0 lets the system choose. The caller owns the socket.

    Of a name with several addresses the first IPv4 one is taken, so that `localhost` is 127.0.0.1 everywhere.
    Raises BadConfiguration, whose text names the address and says what to do.
    """
    host, port = _split(address)
    family, place = await _resolve(address, host, port)
    try:
        listener = socket.create_server(place, family=family, backlog=_BACKLOG, dualstack_ipv6=_takes_both(place[0]))
    except OSError as error:
        raise BadConfiguration(f"cannot listen on {address}: {_advice(error)}") from error
    # asyncio sets it only on sockets that name TCP as their protocol, which create_server's do not. Connections
    # inherit it; without it an answer in two writes waits 40 ms for the client's delayed ACK.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _split(address: str) -> tuple[str, int]:
    try:
        host, port = split_host_port(address)
    except ValueError as error:
        raise BadConfiguration(f"cannot listen: {error}") from None
    if not host:
        raise BadConfiguration(
            f"cannot listen on {address!r}: it names no host; write 127.0.0.1:{port} for this machine only, "
            f"or 0.0.0.0:{port} for every interface"
        )
    return host, port


async def _resolve(address: str, host: str, port: int) -> tuple[int, tuple[str, int]]:
    loop = asyncio.get_running_loop()
    try:
        found = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except (OSError, UnicodeError) as error:
        raise BadConfiguration(f"cannot listen on {address}: {host!r} is no address or known name ({error})") from error
    family, _, _, _, place = min(found, key=lambda entry: entry[0] != socket.AF_INET)
    return family, (str(place[0]), port)


def _takes_both(host: str) -> bool:
    """`::` is every interface, and so by IPv4 too, as for gRPC: Python would make it IPv6 alone."""
    return host == "::" and socket.has_dualstack_ipv6()


def _advice(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "another process has that port; stop it, or choose another port (port 0 picks a free one)"
    if error.errno == errno.EACCES:
        return "not permitted; ports below 1024 need a privilege: choose a higher one"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address; 127.0.0.1 is always there, 0.0.0.0 means every interface"
    return error.strerror or str(error)
