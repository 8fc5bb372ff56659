"""What an address is called."""

from __future__ import annotations

import ipaddress
import re

from muster.agent.catalog.catalog import Catalog
from muster.agent.catalog.topics import NODES, SERVICES
from muster.agent.dns.records import parse_address

_DECIMAL = re.compile(r"0|[1-9][0-9]{0,2}")
_NIBBLE = re.compile(r"[0-9a-f]")


def address_asked(labels: tuple[str, ...]) -> str | None:
    """The address that a name below in-addr.arpa or ip6.arpa is about; None if it is not whole, or no such name."""
    lower = tuple(label.lower() for label in labels)
    parts = lower[-3::-1]
    if lower[-2:] == ("in-addr", "arpa") and len(parts) == 4 and all(map(_DECIMAL.fullmatch, parts)):
        return ".".join(parts) if all(int(part) < 256 for part in parts) else None
    if lower[-2:] == ("ip6", "arpa") and len(parts) == 32 and all(map(_NIBBLE.fullmatch, parts)):
        return str(ipaddress.IPv6Address(int("".join(parts), 16)))
    return None


def is_reverse(labels: tuple[str, ...]) -> bool:
    """Whether a name is one for addresses."""
    return bool(labels) and labels[-1].lower() == "arpa"


class AddressNames:
    """Names by address: of the first node that has it, or else of the first instance.

    Made when it is first asked after something was registered: who asks pays, and writers do not.
    """

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._made_at = (-1, -1)
        self._names: dict[str, str] = {}

    def of(self, address: str) -> str | None:
        """The name of an address, without datacenter and domain: `NAME.node` or `NAME.service`."""
        now = self._catalog.table_index(NODES), self._catalog.table_index(SERVICES)
        if now != self._made_at:
            self._names, self._made_at = self._made(), now
        return self._names.get(address)

    def _made(self) -> dict[str, str]:
        names: dict[str, str] = {}
        nodes = self._catalog.nodes()
        for node in nodes:
            _name(names, node.address, f"{node.name}.node")
        for node in nodes:
            for row in self._catalog.services_on(node.name):
                _name(names, row.address, f"{row.name}.service")
        return names


def _name(names: dict[str, str], place: str, name: str) -> None:
    address = parse_address(place)
    if address is not None:
        names.setdefault(address.text, name)
