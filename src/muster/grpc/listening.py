"""Whether a server may listen at an address: asked of the kernel, whose answer names the reason.

gRPC itself says only that it failed to bind, and prints the reason on standard error.
"""

from __future__ import annotations

import asyncio
import errno
import socket
from typing import Any

from muster.model.errors import BadConfiguration
from muster.model.instance import join_host_port


async def refuse_unusable(host: str, port: int) -> None:
    """Raises BadConfiguration where nothing can listen at `host:port`: it says why and what to do."""
    if not 0 <= port <= 65535:
        # The kernel would take it modulo 65536.
        raise BadConfiguration(f"cannot listen on port {port}: ports are 1 to 65535, or 0 for any free one")
    try:
        found = await asyncio.get_running_loop().getaddrinfo(
            host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise BadConfiguration(f"cannot listen on host {host!r}: {error.strerror}") from error
    problems = [problem for address in found if (problem := _problem(address))]
    taken = [problem for problem in problems if problem.errno == errno.EADDRINUSE]
    # A name may stand for an address that this machine does not have (::1 of localhost): one that works is enough.
    if taken or len(problems) == len(found):
        raise _unusable(host, port, (taken or problems)[0])


def _problem(address: Any) -> OSError | None:
    family, kind, protocol, _, where = address
    try:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if family == socket.AF_INET6:
                probe.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            probe.bind(where)
    except OSError as error:
        return error
    return None


def _unusable(host: str, port: int, error: OSError) -> BadConfiguration:
    where = join_host_port(host, port)
    if error.errno == errno.EADDRINUSE:
        return BadConfiguration(f"cannot listen on {where}: the port is taken; choose another, or 0 for any free one")
    if error.errno == errno.EACCES:
        return BadConfiguration(f"cannot listen on {where}: ports below 1024 need a right that this process lacks")
    return BadConfiguration(f"cannot listen on {where}: {error.strerror}")
