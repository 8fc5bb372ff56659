"""What an answer consists of. Names are text without the final dot.

Kinds of data are dataclasses, since tuples of different kinds that say the same would be equal.
"""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple


@dataclass(frozen=True, slots=True)
class Address:
    """A or AAAA, which `text` tells."""

    text: str

    @property
    def kind(self) -> str:
        return "AAAA" if ":" in self.text else "A"


@dataclass(frozen=True, slots=True)
class Alias:
    """CNAME."""

    target: str


@dataclass(frozen=True, slots=True)
class Pointer:
    """PTR."""

    target: str


@dataclass(frozen=True, slots=True)
class NameServer:
    """NS."""

    target: str


@dataclass(frozen=True, slots=True)
class Location:
    """SRV, of priority 1 as all of Consul's. `port` as it was registered, which may be no port."""

    weight: int
    port: int
    target: str


@dataclass(frozen=True, slots=True)
class Text:
    """TXT."""

    text: str


@dataclass(frozen=True, slots=True)
class Start:
    """SOA."""

    server: str
    mailbox: str
    serial: int
    refresh: int
    retry: int
    expire: int
    min_ttl: int


Data = Address | Alias | Pointer | NameServer | Location | Text | Start


class Record(NamedTuple):
    owner: str
    ttl: int
    data: Data


@dataclass(frozen=True, slots=True)
class Answer:
    """What is said to a question. `code` is a response code as RFC 1035 and its successors name it.

    `authoritative` is false for what is outside the domain. `elsewhere` says that a recursor, if there is one, should
    be asked instead; `foreign` are names in the answer that only a recursor knows.
    """

    code: str = "NOERROR"
    answer: tuple[Record, ...] = ()
    authority: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    authoritative: bool = True
    elsewhere: bool = False
    foreign: tuple[str, ...] = ()


SMALLEST_RECORD = 16
"""Octets of an A record whose owner is compressed."""


@dataclass(frozen=True, slots=True)
class Room:
    """What an answer may have: so many octets, and so many instances, 0 for any number."""

    octets: int
    instances: int = 0

    @property
    def too_many(self) -> int:
        """A number of records that it has no room for, whatever they are. More need not be looked for."""
        octets = self.octets // SMALLEST_RECORD
        return 1 + (min(octets, self.instances) if self.instances else octets)


@lru_cache(8192)
def parse_address(text: str) -> Address | None:
    """The address that `text` is; None for a name. An IPv4 address in IPv6 notation is IPv4."""
    try:
        address = ipaddress.ip_address(text)
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.scope_id:
            return None
        return Address(str(address.ipv4_mapped or address))
    return Address(text)


def packed(address: Address) -> bytes:
    """The address as 4 or 16 octets."""
    return socket.inet_pton(socket.AF_INET6 if ":" in address.text else socket.AF_INET, address.text)


def address_in(digits: str) -> Address | None:
    """The address in 8 or 32 hexadecimal digits; None if they are none."""
    try:
        octets = bytes.fromhex(digits)
    except ValueError:
        return None
    return parse_address(str(ipaddress.ip_address(octets)))
