"""The heart of DNS: a question, the registry and chance in, an answer out. No I/O, no clock.

What is answered how is Consul's (https://developer.hashicorp.com/consul/docs/services/discovery/dns-overview) where its
documents say, and otherwise what Consul 1.8.7 was seen to do.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from random import Random
from typing import TypeVar

from muster.agent.catalog.catalog import Catalog, Entry
from muster.agent.catalog.rows import ServiceRow
from muster.agent.dns.instances import (
    Style,
    addresses,
    is_usable,
    locations,
    meta_texts,
    only_addresses,
)
from muster.agent.dns.question import (
    AddressName,
    ConnectName,
    NodeName,
    QueryName,
    Question,
    ServiceName,
    asked,
    within,
)
from muster.agent.dns.records import Alias, Answer, NameServer, Pointer, Record, Room, Start, address_in, parse_address
from muster.agent.dns.reverse import AddressNames, address_asked, is_reverse
from muster.agent.dns.settings import DNS
from muster.agent.queries.executing import Executed

Item = TypeVar("Item")

_LONGEST_CHAIN = 3
_TRANSFERS = ("AXFR", "IXFR")
_OF_NODES = ("A", "AAAA", "TXT", "ANY")
_HOST_NAME = re.compile(r"[A-Za-z0-9-]+")

NOT_FOUND = Answer("NXDOMAIN")


@dataclass(frozen=True, slots=True)
class Known:
    """What answers are made from: the catalog, what a prepared query finds now (None for an unknown one), names by
    address, and the agent's own node and datacenter."""

    catalog: Catalog
    execute: Callable[[str], Executed | None]
    names: AddressNames
    node: str
    datacenter: str


def answer(known: Known, settings: DNS, question: Question, room: Room, rng: Random, now: int) -> Answer:
    """What is said to a question: where there are many instances, some more than there is room for. `now`, in seconds
    since the epoch, is the serial number of the zone."""
    return _Zone(known, settings, room, rng, now).answer(question)


@dataclass(frozen=True, slots=True)
class _Zone:
    known: Known
    settings: DNS
    room: Room
    rng: Random
    now: int

    def answer(self, question: Question) -> Answer:
        if is_reverse(question.labels):
            return self._reverse(question)
        labels = within(question.labels, self.settings.domain)
        if labels is None:
            return Answer("REFUSED", authoritative=False, elsewhere=True)
        if question.kind in _TRANSFERS:
            return Answer("NOTIMP")
        if question.kind in ("SOA", "NS"):
            return self._apex(question.kind)
        found = self._found(question, labels, _LONGEST_CHAIN)
        return found if found.code == "NOERROR" else Answer(found.code, authority=(self._start(),))

    def _found(self, question: Question, labels: tuple[str, ...], chain: int) -> Answer:
        match asked(labels, question.kind, self.known.datacenter):
            case AddressName(digits):
                return self._address(question, digits)
            case NodeName(name, here):
                return self._node(question, name if here else "", chain)
            case QueryName(name):
                return self._query(question, name, chain)
            case ServiceName() | ConnectName() as service:
                return self._service(question, service, chain)
            case None:
                return NOT_FOUND

    def _service(self, question: Question, wanted: ServiceName | ConnectName, chain: int) -> Answer:
        entries = self._shuffled(wanted)
        usable = (entry for entry in entries if is_usable(entry, only_passing=self.settings.only_passing))
        return self._instances(question, usable, self.settings.ttl_of(wanted.name), chain)

    def _shuffled(self, wanted: ServiceName | ConnectName) -> Iterator[Entry]:
        if isinstance(wanted, ConnectName):
            return shuffled(self.known.catalog.connected(wanted.name), self.rng)
        rows = shuffled(self.known.catalog.instances(wanted.name), self.rng)
        return (self.known.catalog.entry(row) for row in rows if not wanted.tag or _has_tag(row, wanted.tag))

    def _query(self, question: Question, name: str, chain: int) -> Answer:
        executed = self.known.execute(name)
        if executed is None:
            return NOT_FOUND
        ttl = self.settings.ttl_of(executed.service) if executed.ttl is None else int(executed.ttl)
        return self._instances(question, shuffled(executed.entries, self.rng), ttl, chain)

    def _instances(self, question: Question, entries: Iterator[Entry], ttl: int, chain: int) -> Answer:
        some = next(entries, None)
        if some is None:
            return NOT_FOUND
        style = Style(
            question.name,
            question.kind,
            ttl,
            self._suffix,
            self.room,
            self.settings.a_record_limit,
            self.settings.enable_additional_node_meta_txt,
        )
        tell = locations if question.kind == "SRV" else addresses
        told = tell(itertools.chain((some,), entries), style, lambda name: self._followed(name, chain))
        return told if told.answer else Answer(authority=(self._start(),))

    def _node(self, question: Question, name: str, chain: int) -> Answer:
        if question.kind not in _OF_NODES:
            return Answer()
        if not self.known.catalog.has_node(name):
            return NOT_FOUND
        node = self.known.catalog.node(name)
        places, foreign = self._place(question, node.address, chain)
        meta = meta_texts(question.name, self._node_ttl, node.meta)
        if question.kind in ("ANY", "TXT"):
            return Answer(answer=(*places, *meta), foreign=foreign)
        more = meta if self.settings.enable_additional_node_meta_txt else ()
        return Answer(answer=places, additional=more, foreign=foreign)

    def _place(self, question: Question, place: str, chain: int) -> tuple[tuple[Record, ...], tuple[str, ...]]:
        """The address of a node as the question wants it, and the foreign names in that."""
        address = parse_address(place)
        if question.kind == "TXT":
            return (), ()
        if address is not None:
            wanted = question.kind in (address.kind, "ANY")
            return (Record(question.name, self._node_ttl, address),) if wanted else (), ()
        target = place.rstrip(".")
        found = self._followed(target, chain)
        return (Record(question.name, self._node_ttl, Alias(target)), *found.answer), found.foreign

    def _followed(self, name: str, chain: int) -> Answer:
        """Aliases and addresses of a name; nothing once the chain is as long as may be, or of unknown names."""
        labels = tuple(name.split("."))
        own = within(labels, self.settings.domain)
        if own is None:
            return Answer(foreign=(name,))
        if chain == 0:
            return Answer()
        found = self._found(Question(labels, "ANY"), own, chain - 1)
        return Answer(answer=tuple(only_addresses(found.answer)), foreign=found.foreign)

    def _address(self, question: Question, digits: str) -> Answer:
        """The address, whatever kind of record is asked for."""
        if len(digits) not in (8, 32):
            return Answer()
        address = address_in(digits)
        return NOT_FOUND if address is None else Answer(answer=(Record(question.name, self._node_ttl, address),))

    def _reverse(self, question: Question) -> Answer:
        address = address_asked(question.labels)
        name = None if address is None else self.known.names.of(address)
        if name is None:
            return Answer("SERVFAIL", authoritative=False, elsewhere=True)
        return Answer(answer=(Record(question.name, 0, Pointer(f"{name}.{self._suffix}")),))

    def _apex(self, kind: str) -> Answer:
        servers, beside = self._name_servers()
        if kind == "NS":
            return Answer(answer=servers, additional=beside)
        return Answer(answer=(self._start(),), authority=servers, additional=beside)

    def _name_servers(self) -> tuple[tuple[Record, ...], tuple[Record, ...]]:
        """The agent's node, and its address; nothing where its name is not one that a host can have."""
        node = self.known.node.lower()
        if not _HOST_NAME.fullmatch(node) or not self.known.catalog.has_node(node):
            return (), ()
        name = f"{node}.node.{self._suffix}"
        places, _ = self._place(Question((name,), "ANY"), self.known.catalog.node(node).address, 0)
        return (Record(self._domain, self._node_ttl, NameServer(name)),), places

    def _start(self) -> Record:
        soa, domain = self.settings.soa, self._domain
        numbers = (self.now, soa.refresh, soa.retry, soa.expire, soa.min_ttl)
        return Record(domain, soa.min_ttl, Start(f"ns.{domain}", f"hostmaster.{domain}", *numbers))

    @property
    def _domain(self) -> str:
        return self.settings.domain.lower().strip(".")

    @property
    def _suffix(self) -> str:
        return f"{self.known.datacenter.lower()}.{self._domain}"

    @property
    def _node_ttl(self) -> int:
        return int(self.settings.node_ttl)


def shuffled(items: Sequence[Item], rng: Random) -> Iterator[Item]:
    """All items in random order. Who wants a few of many does not wait for the others."""
    moved = dict[int, Item]()
    for at in range(len(items)):
        chosen = rng.randrange(at, len(items))
        yield moved.get(chosen, items[chosen])
        moved[chosen] = moved.get(at, items[at])


def _has_tag(row: ServiceRow, tag: str) -> bool:
    return any(tag == each.lower() for each in row.tags)
