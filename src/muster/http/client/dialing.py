"""How connections to instances are made, and for how long they are kept."""

from __future__ import annotations

from dataclasses import dataclass
from ssl import SSLContext

from muster.model.errors import BadConfiguration

OLD = 1800.0
"""Seconds; half an hour makes the price, one handshake, invisible."""


@dataclass(frozen=True, slots=True)
class Dialing:
    """Numbers and names that belong together; times in seconds.

    `tls`: for https; None: the system's authorities. `server_name`: what a certificate must be good for; None: the
    service's name. Both can be said of one request too (`ssl=`, `server_hostname=`).

    `connect`: until an instance must have taken a connection. A first packet that is lost is sent again after 1 s
    (RFC 6298, section 2), so less would give up on a healthy instance. `silence`: the longest pause within a body.

    `keepalive`: how long an idle connection is kept. A server that closes it in the very moment in which a request is
    sent makes that request fail, so this is less than the 5 s of uvicorn and Node.js. `connections`: to one instance
    at once; further requests wait for one. `age`: after so long, give or take a fifth, a connection is closed with the
    request that it carries then, so that certificates that were renewed, and hosts that resolve to another address,
    come into use however busy it is; None: never.
    """

    tls: SSLContext | None = None
    server_name: str | None = None
    connect: float = 2.0
    silence: float = 60.0
    keepalive: float = 4.0
    connections: int = 100
    age: float | None = OLD

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        age = 1 if self.age is None else self.age
        if min(self.connect, self.silence, self.keepalive, self.connections, age) <= 0:
            raise BadConfiguration(f"{self}: times and numbers are above 0")
