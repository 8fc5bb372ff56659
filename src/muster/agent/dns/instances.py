"""The records that tell of instances, and of what is called like them.

An instance is reached at its own address or, where it has none, at its node's. Either may be a name: a CNAME, which is
followed while it leads to names of this domain, at most as far as Consul does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from muster.agent.catalog.catalog import Entry
from muster.agent.dns.records import (
    SMALLEST_RECORD,
    Address,
    Alias,
    Answer,
    Location,
    Record,
    Room,
    Text,
    packed,
    parse_address,
)
from muster.model.check import Health

Follow = Callable[[str], Answer]
"""What this domain says of a name that is somebody's address: aliases and addresses, and which names are foreign."""

_ADDRESSES = ("A", "AAAA", "ANY")
_SMALLEST_LOCATION = 20
"""Octets of an SRV record beside the text of its target, where its owner is compressed."""


class Style(NamedTuple):
    """What the records of one answer have in common. `suffix` is that of names: `DATACENTER.DOMAIN`. `most` limits the
    addresses, 0 does not. Instances are told until it is certain that there is no room for more."""

    owner: str
    kind: str
    ttl: int
    suffix: str
    room: Room
    most: int
    with_meta: bool


class _Told(NamedTuple):
    answer: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()
    foreign: tuple[str, ...] = ()


def is_usable(entry: Entry, *, only_passing: bool) -> bool:
    """Whether no check of an instance or its node is critical, or with `only_passing` every one is passing."""
    if only_passing:
        return all(check.status == Health.PASSING for check in entry.checks)
    return all(check.status != Health.CRITICAL for check in entry.checks)


def addresses(entries: Iterable[Entry], style: Style, follow: Follow) -> Answer:
    """Where to reach instances: each address once, in the order given.

    A name can have one CNAME and nothing beside it, so one alias is given where all are aliases, and none else.
    """
    told, alias, seen = list[Record](), _Told(), set[str]()
    most = style.most if style.most and style.kind in _ADDRESSES else style.room.too_many
    for place in map(_place, entries):
        if len(told) >= most:
            break
        if place in seen:
            continue
        seen.add(place)
        address = parse_address(place)
        if address is None:
            alias = alias if alias.answer else _alias(place, style, follow)
        elif style.kind in (address.kind, "ANY", "TXT"):
            told.append(Record(style.owner, style.ttl, address))
    return Answer(answer=tuple(told)) if told else Answer(answer=alias.answer, foreign=alias.foreign)


def locations(entries: Iterable[Entry], style: Style, follow: Follow) -> Answer:
    """Where to reach instances, with ports and weights, and in addition the addresses of the places named."""
    told = list(_distinct(entries, style, follow))
    return Answer(
        answer=tuple(record for each in told for record in each.answer),
        additional=tuple(dict.fromkeys(record for each in told for record in each.additional)),
        foreign=tuple(dict.fromkeys(name for each in told for name in each.foreign)),
    )


def _distinct(entries: Iterable[Entry], style: Style, follow: Follow) -> Iterator[_Told]:
    """What is told of each place with its port, once, until there is no room for more."""
    seen, nodes, counted, octets = set[tuple[str, str, int]](), set[str](), set[Record](), 0
    for entry in entries:
        key = entry.node.name, entry.service.address, entry.service.port
        if key in seen:
            continue
        seen.add(key)
        told = _location(entry, style, follow, with_meta=style.with_meta and entry.node.name not in nodes)
        yield told
        nodes.add(entry.node.name)
        octets += _octets(told, counted)
        if len(seen) >= style.room.too_many or octets > style.room.octets:
            return


def _octets(told: _Told, counted: set[Record]) -> int:
    """The least that it takes in a message: names in SRV are never compressed, and each address is told once."""
    octets = 0
    for record in told.answer:
        if isinstance(record.data, Location):
            octets += _SMALLEST_LOCATION + len(record.data.target)
            beside = {each for each in told.additional if each.owner == record.data.target} - counted
            octets += SMALLEST_RECORD * sum(isinstance(each.data, Address) for each in beside)
            counted |= beside
    return octets


def meta_texts(owner: str, ttl: int, meta: Mapping[str, str] | None) -> tuple[Record, ...]:
    """A node's metadata as `key=value` (RFC 1464, with `=` in keys escaped), or the value alone if its key says so."""
    return tuple(Record(owner, ttl, Text(_text(key, value))) for key, value in (meta or {}).items())


def _text(key: str, value: str) -> str:
    return value if key.lower().startswith("rfc1035-") else f"{key.replace('`', '``').replace('=', '`=')}={value}"


def _place(entry: Entry) -> str:
    return entry.service.address or entry.node.address


def _alias(place: str, style: Style, follow: Follow) -> _Told:
    target = place.rstrip(".")
    found = follow(target)
    return _Told((Record(style.owner, style.ttl, Alias(target)), *found.answer), foreign=found.foreign)


def _location(entry: Entry, style: Style, follow: Follow, *, with_meta: bool) -> _Told:
    node = f"{entry.node.name}.node.{style.suffix}"
    target, beside = _target(entry, node, style, follow)
    meta = meta_texts(node, style.ttl, entry.node.meta) if with_meta else ()
    location = Location(_weight(entry), entry.service.port, target)
    return _Told((Record(style.owner, style.ttl, location),), (*beside.answer, *meta), beside.foreign)


def _target(entry: Entry, node: str, style: Style, follow: Follow) -> tuple[str, Answer]:
    """What an instance's place is called, and what that is."""
    address = parse_address(_place(entry))
    if address is None:
        target = _place(entry).rstrip(".")
        return target, follow(target)
    target = f"{packed(address).hex()}.addr.{style.suffix}" if entry.service.address else node
    return target, Answer(answer=(Record(target, style.ttl, address),))


def _weight(entry: Entry) -> int:
    """By the worst check of the instance and its node; what does not fit into the record counts as 1."""
    warning = any(check.status == Health.WARNING for check in entry.checks)
    weight = entry.service.weight_warning if warning else entry.service.weight_passing
    return weight if 1 <= weight <= 0xFFFF else 1


def only_addresses(records: Iterable[Record]) -> Iterator[Record]:
    """What of an answer helps who follows an alias."""
    return (record for record in records if isinstance(record.data, Address | Alias))
