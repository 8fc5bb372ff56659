"""Records to bytes (RFC 1035 section 4.1).

dnspython writes records too, but takes some 60 µs for each, and an answer of a thousand is written several times until
it fits: clients of other things waited 0.3 s for that. What is written here takes 1 to 2 µs.
"""

from __future__ import annotations

import logging
import struct
from functools import lru_cache
from typing import Final, NamedTuple

from muster.agent.dns.records import (
    Address,
    Alias,
    Answer,
    Data,
    Location,
    NameServer,
    Pointer,
    Record,
    Start,
    Text,
    packed,
)

_TYPES: Final = {"A": 1, "NS": 2, "CNAME": 5, "SOA": 6, "PTR": 12, "TXT": 16, "AAAA": 28, "SRV": 33}
_OPT: Final = 41
_INTERNET: Final = 1
_PRIORITY: Final = 1
_CODES: Final = {"NOERROR": 0, "SERVFAIL": 2, "NXDOMAIN": 3, "NOTIMP": 4, "REFUSED": 5}

_HEADER: Final = struct.Struct("!HHHHHH")
_RECORD: Final = struct.Struct("!HHIH")
_LOCATION: Final = struct.Struct("!HHH")
_START: Final = struct.Struct("!IIIII")
_POINTER: Final = struct.Struct("!H")

_POINTS: Final = 0xC000
"""What makes a pointer of an offset."""

_FURTHEST: Final = 0x3FFF
"""The last offset that can be pointed to."""

_ASKED: Final = _POINTER.pack(_POINTS | _HEADER.size)
"""A pointer to the name in the question."""

_KEPT: Final = 8192
"""Records that are kept as bytes, from one answer to the next: some 4 MB."""

_LONGEST_LABEL: Final = 63
_LONGEST_NAME: Final = 255
_LONGEST_STRING: Final = 255

_log = logging.getLogger("muster.agent.dns")


class _Made(NamedTuple):
    """A record without its owner, or where that is what is asked for the whole of it."""

    owner: str
    octets: bytes


class Response:
    """What answers one message: its number and flags, its question as bytes, and the name in that as labels.

    `payload` is what the answerer takes by EDNS, None for an answer without. Each record is made to bytes once, however
    often an answer is written until it fits. Left out is what no name in DNS can say: nodes and addresses may be called
    anything.
    """

    def __init__(self, number: int, flags: int, question: bytes, labels: tuple[str, ...], payload: int | None) -> None:
        self._number = number
        self._flags = flags
        self._question = question
        self._extension = b"" if payload is None else b"\0" + _RECORD.pack(_OPT, payload, 0, 0)
        self._asked = ".".join(labels)
        self._suffixes = _suffixes(labels)
        self._made: dict[Record, _Made | None] = {}

    def written(self, answer: Answer) -> bytes:
        """The message with this answer, however long that is."""
        wire, names = bytearray(_HEADER.size), dict(self._suffixes)
        wire += self._question
        sections = (answer.answer, answer.authority, answer.additional)
        told, authority, beside = (self._append(section, wire, names) for section in sections)
        wire += self._extension
        flags = self._flags | _CODES[answer.code]
        _HEADER.pack_into(wire, 0, self._number, flags, 1, told, authority, beside + bool(self._extension))
        return bytes(wire)

    def _append(self, records: tuple[Record, ...], wire: bytearray, names: dict[str, int]) -> int:
        """Write a section; the number of its records."""
        count = 0
        for record in records:
            made = self._bytes_of(record)
            if made is None:
                continue
            if made.owner:
                _append_name(made.owner, wire, names)
            wire += made.octets
            count += 1
        return count

    def _bytes_of(self, record: Record) -> _Made | None:
        try:
            return self._made[record]
        except KeyError:
            return self._made.setdefault(record, self._make(record))

    def _make(self, record: Record) -> _Made | None:
        try:
            octets = _behind_the_owner(record)
            if record.owner == self._asked:
                return _Made("", _ASKED + octets)
            _name(record.owner)
        except (ValueError, struct.error) as error:
            _log.debug("%s cannot be said in DNS: %r", record, error)
            return None
        return _Made(record.owner, octets)


def _suffixes(labels: tuple[str, ...]) -> dict[str, int]:
    """Where in a message the name of its question and the ends of that are. A label with a dot or an octet beyond ASCII
    is in no name of ours; the name as a whole is its own."""
    known, at = dict[str, int](), _HEADER.size + sum(len(label) + 1 for label in labels)
    for start in reversed(range(len(labels))):
        at -= len(labels[start]) + 1
        if not labels[start].isascii() or "." in labels[start]:
            break
        known[".".join(labels[start:]).lower()] = at
    return known | {".".join(labels).lower(): _HEADER.size}


def _append_name(name: str, wire: bytearray, names: dict[str, int]) -> None:
    """Write a name, its end as a pointer to where that was written before, and note where its own ends are."""
    rest, keys = name, name.lower()
    while rest:
        at = names.get(keys)
        if at is not None:
            wire += _POINTER.pack(_POINTS | at)
            return
        if len(wire) <= _FURTHEST:
            names[keys] = len(wire)
        label, _, rest = rest.partition(".")
        keys = keys.partition(".")[2]
        octets = label.encode()
        wire.append(len(octets))
        wire += octets
    wire.append(0)


@lru_cache(_KEPT)
def _behind_the_owner(record: Record) -> bytes:
    """Type, class, TTL and data. Raises ValueError or struct.error for what cannot be said."""
    kind, data = _rdata(record.data)
    return _RECORD.pack(_TYPES[kind], _INTERNET, record.ttl, len(data)) + data


def _rdata(data: Data) -> tuple[str, bytes]:
    """The type of a record and its data. Names in it are whole: those of SRV have to be (RFC 2782), and of others there
    are a few in an answer at most."""
    match data:
        case Address():
            return data.kind, packed(data)
        case Location(weight, port, target):
            return "SRV", _LOCATION.pack(_PRIORITY, weight, port & 0xFFFF) + _name(target)
        case Alias(target):
            return "CNAME", _name(target)
        case Pointer(target):
            return "PTR", _name(target)
        case NameServer(target):
            return "NS", _name(target)
        case Text(text):
            return "TXT", _strings(text.encode())
        case Start(server, mailbox, serial, refresh, retry, expire, min_ttl):
            numbers = _START.pack(serial, refresh, retry, expire, min_ttl)
            return "SOA", _name(server) + _name(mailbox) + numbers


def _name(text: str) -> bytes:
    """A name as bytes. Raises ValueError for what is none."""
    labels = [label.encode() for label in text.split(".")]
    if not all(1 <= len(label) <= _LONGEST_LABEL for label in labels):
        raise ValueError(f"a part of {text!r} is empty or has more than {_LONGEST_LABEL} octets")
    name = b"".join(bytes((len(label),)) + label for label in labels) + b"\0"
    if len(name) > _LONGEST_NAME:
        raise ValueError(f"{text!r} has more than {_LONGEST_NAME} octets")
    return name


def _strings(whole: bytes) -> bytes:
    parts = [whole[at : at + _LONGEST_STRING] for at in range(0, len(whole), _LONGEST_STRING)] or [b""]
    return b"".join(bytes((len(part),)) + part for part in parts)
