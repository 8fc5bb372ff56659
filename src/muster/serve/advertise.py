"""The address that goes into the registry: one that others can connect to.

    advertise= or MUSTER_ADVERTISE      taken at its word, for mapped ports and proxies
    bound to an address                 that address; a loopback one only where the registry is on this machine, and for
                                        no other: an agent that belongs to a cluster says so
    bound to every interface            left out for a Consul agent on this machine, which then gives its node's
                                        address; else the address of the interface that leads to the registry, and
                                        of IPv4 for 0.0.0.0, as no other would be listened at

Never a wildcard, never port 0.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from dataclasses import dataclass, replace
from ipaddress import ip_address

from muster.model.errors import BadConfiguration, Denied, RegistryUnavailable
from muster.model.instance import split_host_port
from muster.registry.protocol import Clustered, Registrar
from muster.registry.url import split_url

log = logging.getLogger("muster.serve")

Where = tuple[str, int]
"""Host and port."""

ELSEWHERE = ("192.0.2.1", 9)
"""An address that is certainly not on this machine (RFC 5737): the way to it is the default route."""


PATIENCE = 2.0
"""Seconds for a registry on this machine to say who shares it."""

IN_PROCESS = ("memory", "static")
"""Schemes of registries that have a name where others have a host."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a registry is. `host` is empty where it has none: in this process, or behind a Unix socket.

    `gives_address`: it puts its own node's address where an instance has none. `others`: how many other machines share
    it, as far as is known.
    """

    host: str = ""
    port: int = 0
    gives_address: bool = False
    others: int = 0

    @property
    def local(self) -> bool:
        return not self.host or is_loopback(self.host)


HERE = Place()


def place_of(url: str) -> Place:
    """Where the registry with this URL is; the first address where it has several."""
    parts = split_url(url)
    consul = parts.base_scheme == "consul"
    first = parts.authority.partition(",")[0]
    if not first or parts.base_scheme in IN_PROCESS:
        return Place(gives_address=consul)
    try:
        host, port = split_host_port(first)
    except ValueError:
        host, port = first.strip("[]"), 0
    return Place(host, port, consul)


def is_wildcard(host: str) -> bool:
    """Whether binding to `host` means every interface."""
    try:
        return not host or ip_address(host).is_unspecified
    except ValueError:
        return False


def is_loopback(host: str) -> bool:
    """Whether `host` leads no further than this machine; names are judged by RFC 6761, not looked up."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        name = host.rstrip(".").lower()
        return name == "localhost" or name.endswith(".localhost")


def parse(advertise: str, port: int) -> Where:
    """HOST:PORT, or HOST alone for the port that is bound. Raises BadConfiguration for what nobody can connect to."""
    try:
        where = _split(advertise, port)
    except ValueError as error:
        raise BadConfiguration(f"advertise (MUSTER_ADVERTISE): {error}") from error
    if is_wildcard(where[0]) or where[1] == 0:
        raise BadConfiguration(
            f"advertise (MUSTER_ADVERTISE): {advertise!r} is no address that others can connect to: "
            "give a host and a port, as in 10.0.0.7:9000"
        )
    return where


def choose(bound: Where, advertise: str | None, place: Place) -> Where | None:
    """The address to register; None: ask the routing table which interface leads to the registry.

    Raises BadConfiguration for an address that cannot work.
    """
    host, port = bound
    if advertise:
        return parse(advertise, port)
    if not is_wildcard(host):
        _refuse_unreachable(host, place)
        return host, port
    if not place.local:
        return None
    return "" if place.gives_address else "127.0.0.1", port


async def advertised(bound: Where, advertise: str | None, place: Place, registrar: Registrar | None = None) -> Where:
    """As `choose`, with the routing table asked. Looks up the registry's name.

    `registrar` is asked whether it serves other machines too, where a loopback address depends on that.
    """
    if isinstance(registrar, Clustered) and not advertise and place.local and is_loopback(bound[0]):
        place = replace(place, others=await _others(registrar))
    where = choose(bound, advertise, place)
    if where is not None:
        return where
    host = await interface_towards((place.host, place.port), _family(bound[0]))
    if is_loopback(host):
        host = "" if place.gives_address else host
    return host, bound[1]


async def _others(registry: Clustered) -> int:
    """One that does not say counts as this machine's own: a service starts without its registry."""
    try:
        async with asyncio.timeout(PATIENCE):
            return await registry.others()
    except (TimeoutError, RegistryUnavailable, Denied) as error:
        log.info("%s does not say whether it serves other machines too: %s", registry, error or "no answer in time")
        return 0


async def interface_towards(where: Where, family: int = socket.AF_UNSPEC) -> str:
    """The address of this machine's interface that leads to `where`, by the routing table; no packet is sent.

    `family`: of the address, where only one kind would do. A name that cannot be looked up (a registry that is not
    there yet), or that is reached by addresses of the other kind, leads to the default route. Raises BadConfiguration
    where there is no way at all.
    """
    try:
        return await _route(where, family)
    except OSError as error:
        log.warning("no route to the registry at %s (%s): using the default route's address", where[0], error)
    try:
        return await _route(ELSEWHERE, family)
    except OSError as error:
        raise BadConfiguration(
            f"no interface leads to the registry at {where[0]} ({error}): "
            "set advertise= or MUSTER_ADVERTISE to the HOST:PORT that others can connect to"
            f"{_or_both_kinds(family)}"
        ) from error


def _or_both_kinds(family: int) -> str:
    return ", or listen on '::', which takes connections by IPv6 too" if family == socket.AF_INET else ""


def _family(host: str) -> int:
    """What a server that listens on the wildcard `host` takes: :: is both, 0.0.0.0 is IPv4 alone."""
    return socket.AF_INET if host and ip_address(host).version == 4 else socket.AF_UNSPEC


async def _route(where: Where, family: int) -> str:
    """Of a name's addresses, the first that there is a way to."""
    loop, failure = asyncio.get_running_loop(), OSError("it has no address")
    for found, kind, protocol, _, address in await loop.getaddrinfo(*where, family=family, type=socket.SOCK_DGRAM):
        with socket.socket(found, kind, protocol) as probe:
            try:
                probe.connect(address)
                return str(probe.getsockname()[0])
            except OSError as error:
                failure = error
    raise failure


def _split(advertise: str, port: int) -> Where:
    if advertise.startswith("[") and advertise.endswith("]"):
        return advertise[1:-1], port
    try:
        ip_address(advertise)
    except ValueError:
        return split_host_port(advertise) if ":" in advertise else (advertise, port)
    return advertise, port


def _refuse_unreachable(host: str, place: Place) -> None:
    if not is_loopback(host) or (place.local and not place.others):
        return
    many = "another machine" if place.others == 1 else f"{place.others} other machines"
    shared = f"the agent at {place.host or 'this machine'} shares its registry with {many}"
    raise BadConfiguration(
        f"the service listens on {host}, which only this machine can connect to, but "
        f"{shared if place.local else f'the registry at {place.host} serves other machines'}: "
        "listen on another interface (host='0.0.0.0' for all), or set advertise= or MUSTER_ADVERTISE to the HOST:PORT "
        f"that others can connect to{f' (to {host} if this machine is all that is meant)' if place.local else ''}"
    )
