"""The records that tell of instances, and of what is called like them.

An instance is reached at its own address or, where it has none, at its node's. Either may be a name: a CNAME, which is
followed while it leads to names of this domain, at most as far as Consul does.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import NamedTuple

from muster.agent.catalog.catalog import Entry
from muster.agent.dns.records import Address, Alias, Answer, Location, Record, Text, digits_of, parse_address
from muster.model.check import Health

Follow = Callable[[str], Answer]
"""What this domain says of a name that is somebody's address: aliases and addresses, and which names are foreign."""

_ADDRESSES = ("A", "AAAA", "ANY")


class Style(NamedTuple):
    """What the records of one answer have in common. `suffix` is that of names: `DATACENTER.DOMAIN`. `most` limits the
    addresses, 0 does not."""

    owner: str
    kind: str
    ttl: int
    suffix: str
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
    told, alias = list[Record](), _Told()
    for place in dict.fromkeys(_place(entry) for entry in entries):
        if style.most and len(told) >= style.most and style.kind in _ADDRESSES:
            break
        address = parse_address(place)
        if address is None:
            alias = alias if alias.answer else _alias(place, style, follow)
        elif style.kind in (address.kind, "ANY", "TXT"):
            told.append(Record(style.owner, style.ttl, address))
    return Answer(answer=tuple(told)) if told else Answer(answer=alias.answer, foreign=alias.foreign)


def locations(entries: Iterable[Entry], style: Style, follow: Follow) -> Answer:
    """Where to reach instances, with ports and weights, and in addition the addresses of the places named."""
    seen: dict[tuple[str, str, int], _Told] = {}
    for entry in entries:
        key = entry.node.name, entry.service.address, entry.service.port
        if key not in seen:
            seen[key] = _location(entry, style, follow)
    told = seen.values()
    return Answer(
        answer=tuple(record for each in told for record in each.answer),
        additional=tuple(dict.fromkeys(record for each in told for record in each.additional)),
        foreign=tuple(dict.fromkeys(name for each in told for name in each.foreign)),
    )


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


def _location(entry: Entry, style: Style, follow: Follow) -> _Told:
    node = f"{entry.node.name}.node.{style.suffix}"
    target, beside = _target(entry, node, style, follow)
    meta = meta_texts(node, style.ttl, entry.node.meta) if style.with_meta else ()
    location = Location(_weight(entry), entry.service.port, target)
    return _Told((Record(style.owner, style.ttl, location),), (*beside.answer, *meta), beside.foreign)


def _target(entry: Entry, node: str, style: Style, follow: Follow) -> tuple[str, Answer]:
    """What an instance's place is called, and what that is."""
    address = parse_address(_place(entry))
    if address is None:
        target = _place(entry).rstrip(".")
        return target, follow(target)
    target = f"{digits_of(address)}.addr.{style.suffix}" if entry.service.address else node
    return target, Answer(answer=(Record(target, style.ttl, address),))


def _weight(entry: Entry) -> int:
    """By the worst check of the instance and its node; what does not fit into the record counts as 1."""
    warning = any(check.status == Health.WARNING for check in entry.checks)
    weight = entry.service.weight_warning if warning else entry.service.weight_passing
    return weight if 1 <= weight <= 0xFFFF else 1


def only_addresses(records: Iterable[Record]) -> Iterator[Record]:
    """What of an answer helps who follows an alias."""
    return (record for record in records if isinstance(record.data, Address | Alias))
