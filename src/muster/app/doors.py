"""Where a service is reached: a door for each protocol. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from muster.model.errors import Rejected
from muster.model.instance import GRPC, HTTP, join_host_port
from muster.serve.advertise import parse
from muster.serve.settings import Second

PROTOCOLS = (GRPC, HTTP)


@dataclass(frozen=True, slots=True)
class Door:
    """One protocol: the name that it is registered under, the port to listen at, and HOST:PORT where that is another
    for those who connect. `instance_id`: of one run."""

    protocol: str
    name: str
    port: int
    advertise: str | None
    instance_id: str = ""


def checked(protocols: Iterable[str] | None) -> tuple[str, ...] | None:
    """The protocols that the author asks for, the first being the service's own. Raises Rejected."""
    if protocols is None:
        return None
    asked = tuple([protocols] if isinstance(protocols, str) else protocols)
    if not asked or len(set(asked)) < len(asked) or not set(asked) <= set(PROTOCOLS):
        raise Rejected(f"protocols={asked!r}: expected 'grpc', 'http' or both, the service's own first")
    return asked


def doors(protocols: Iterable[str], first: tuple[str, int, str | None], second: Second) -> tuple[Door, ...]:
    """`first`: the name, port and advertised address of the service's own protocol.

    Raises Rejected where the second would have the first one's name.
    """
    name, port, advertise = first
    if second.name == name:
        raise Rejected(f"second: both protocols would be called {name!r}: who reads one name expects one protocol")
    found = [Door(protocol, name, port, advertise) for protocol in list(protocols)[:1]]
    for protocol in list(protocols)[1:]:
        where = second.advertise or (advertise and _host(advertise))
        found.append(Door(protocol, second.name or f"{name}-{protocol}", second.port, where))
    return tuple(found)


def _host(advertise: str) -> str:
    """The host alone of HOST:PORT, as another port's address can be written."""
    host, _ = parse(advertise, 1)
    return f"[{host}]" if ":" in host else host


def shifted(door: Door, by: int) -> Door:
    """The door of one of several processes that each have a port of their own: a fixed one, and an advertised one, is
    so much higher."""
    if not door.port:
        return door
    if door.advertise is None:
        return replace(door, port=door.port + by)
    host, port = parse(door.advertise, door.port)
    advertise = join_host_port(host, port + by)
    return replace(door, port=door.port + by, advertise=advertise)
