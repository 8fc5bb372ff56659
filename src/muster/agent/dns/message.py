"""Bytes to questions, answers to bytes (RFC 1035, RFC 6891), with dnspython."""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass
from typing import Any, Final

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.opcode
import dns.rcode
import dns.rdataclass
import dns.rdatatype
import dns.rrset
from dns.rdata import Rdata
from dns.rdtypes.ANY.CNAME import CNAME
from dns.rdtypes.ANY.NS import NS
from dns.rdtypes.ANY.PTR import PTR
from dns.rdtypes.ANY.SOA import SOA
from dns.rdtypes.ANY.TXT import TXT
from dns.rdtypes.IN.A import A
from dns.rdtypes.IN.AAAA import AAAA
from dns.rdtypes.IN.SRV import SRV

from muster.agent.dns.fitting import fitted
from muster.agent.dns.question import Question
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
)

SMALLEST_UDP = 512
LARGEST_UDP = 65_535 - 68
"""Bytes that fit into a datagram with its headers."""
LARGEST_TCP = 65_535

_HEADER = 12
_SMALLEST_RECORD = 16
"""Bytes of an A record whose name is compressed."""

_OPCODE = 0x7800
_STRING = 255
_CLASSES: Final[dict[str, Any]] = {each.__name__: each for each in (A, AAAA, CNAME, NS, PTR, SOA, SRV, TXT)}

_log = logging.getLogger("muster.agent.dns")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A message with one question. `room`: bytes that the answer may have by UDP. `extended`: the client speaks EDNS,
    and said so itself what it can take."""

    message: dns.message.Message
    question: Question
    room: int
    extended: bool


@dataclass(frozen=True, slots=True)
class Room:
    """What an answer may have: so many octets, and so many instances, 0 for any number."""

    octets: int
    instances: int = 0

    def takes(self, answer: Answer) -> bool:
        """Whether the number of instances is one that it may have."""
        told = sum(isinstance(record.data, Address | Location) for record in answer.answer)
        return not self.instances or told <= self.instances


def read(wire: bytes) -> Inquiry | bytes | None:
    """The question in a message; the bytes to answer a message with that has none; None for what is not answered.

    Never raises. What is no message is not answered, nor what is an answer: two servers could go on so for ever.
    """
    if len(wire) < _HEADER or wire[2] & 0x80:
        return None
    if dns.opcode.from_flags(int.from_bytes(wire[2:4])) != dns.opcode.QUERY:
        return _bare(wire, dns.rcode.NOTIMP)
    try:
        message = dns.message.from_wire(wire, ignore_trailing=True, keyring=False)
    except Exception as error:  # dnspython promises no one class for what it cannot read
        _log.debug("a message that cannot be read: %r", error)
        return _bare(wire, dns.rcode.FORMERR)
    if len(message.question) != 1:
        return _bare(wire, dns.rcode.FORMERR)
    return _inquiry(message)


def write(inquiry: Inquiry, answer: Answer, room: Room, *, recursive: bool, tell: bool) -> bytes:
    """The answer, or as much of it as there is room for. `recursive`: others are asked for who wants it. `tell`: what
    is left out is told by a flag."""

    sets = _Sets(inquiry)

    def rendered(part: Answer) -> bytes | None:
        try:
            reply = _reply(inquiry, part, sets, recursive=recursive)
            return reply.to_wire(max_size=LARGEST_TCP, want_shuffle=False)
        except dns.exception.TooBig:
            return None

    def size(part: Answer) -> int:
        wire = rendered(part) if room.takes(part) else None
        return LARGEST_TCP + 1 if wire is None else len(wire)

    part = fitted(answer, room.octets // _SMALLEST_RECORD, room.octets, size)
    wire = rendered(part)
    if wire is None:  # the question alone is too long: it cannot be, having come in one message
        return _bare(inquiry.message.wire or b"", dns.rcode.SERVFAIL)
    return _truncated(wire) if tell and len(part.answer) < len(answer.answer) else wire


def passed_on(reply: dns.message.Message, room: Room) -> bytes:
    """Another server's answer; without its records, for the client to ask again by TCP, where that has no room."""
    wire = reply.to_wire(max_size=LARGEST_TCP)
    if len(wire) <= room.octets:
        return wire
    for section in (reply.answer, reply.authority, reply.additional):
        section.clear()
    return _truncated(reply.to_wire())


def _inquiry(message: dns.message.Message) -> Inquiry:
    asked = message.question[0]
    labels = tuple(label.decode("latin-1") for label in asked.name.labels if label)
    extended = message.edns >= 0
    room = min(max(message.payload, SMALLEST_UDP), LARGEST_UDP) if extended else SMALLEST_UDP
    return Inquiry(message, Question(labels, dns.rdatatype.to_text(asked.rdtype)), room, extended)


def _bare(wire: bytes, code: dns.rcode.Rcode) -> bytes:
    """A header that says why there is no answer."""
    number, flags = struct.unpack("!HH", wire[:4])
    kept = flags & (_OPCODE | dns.flags.RD)
    return struct.pack("!HHHHHH", number, dns.flags.QR | kept | code, 0, 0, 0, 0)


def _truncated(wire: bytes) -> bytes:
    return wire[:2] + (int.from_bytes(wire[2:4]) | dns.flags.TC).to_bytes(2) + wire[4:]


def _reply(inquiry: Inquiry, answer: Answer, sets: _Sets, *, recursive: bool) -> dns.message.Message:
    asked = inquiry.message
    reply = dns.message.QueryMessage(asked.id)
    reply.flags = dns.flags.QR | asked.flags & (dns.flags.RD | dns.flags.CD)
    reply.flags |= dns.flags.AA if answer.authoritative else 0
    reply.flags |= dns.flags.RA if recursive else 0
    reply.set_rcode(dns.rcode.from_text(answer.code))
    reply.question = list(asked.question)
    reply.answer = sets.of(answer.answer)
    reply.authority = sets.of(answer.authority)
    reply.additional = sets.of(answer.additional)
    if inquiry.extended:
        reply.use_edns(0, payload=inquiry.room)
    return reply


class _Sets:
    """Records as dnspython has them: one set a record, so that their order stays. Each is made once, however often an
    answer is written until it fits.

    Left out is what no name in DNS can say: nodes and addresses may be called anything.
    """

    def __init__(self, inquiry: Inquiry) -> None:
        self._names = {inquiry.question.name: inquiry.message.question[0].name}
        self._made: dict[Record, dns.rrset.RRset | None] = {}

    def of(self, records: tuple[Record, ...]) -> list[dns.rrset.RRset]:
        sets = (self._of(record) for record in records)
        return [each for each in sets if each is not None]

    def _of(self, record: Record) -> dns.rrset.RRset | None:
        if record not in self._made:
            self._made[record] = self._make(record)
        return self._made[record]

    def _make(self, record: Record) -> dns.rrset.RRset | None:
        try:
            rdata = _rdata(record.data, self._names)
            return dns.rrset.from_rdata(_name(record.owner, self._names), record.ttl, rdata)
        except (dns.exception.DNSException, ValueError) as error:
            _log.debug("%s cannot be said in DNS: %r", record, error)
            return None


def _rdata(data: Data, names: dict[str, dns.name.Name]) -> Rdata:
    match data:
        case Address(text):
            return _made(data.kind, text)
        case Alias(target):
            return _made("CNAME", _name(target, names))
        case Pointer(target):
            return _made("PTR", _name(target, names))
        case NameServer(target):
            return _made("NS", _name(target, names))
        case Location(weight, port, target):
            return _made("SRV", 1, weight, port & 0xFFFF, _name(target, names))
        case Text(text):
            return _made("TXT", _strings(text))
        case Start():
            server, mailbox, *numbers = data
            return _made("SOA", _name(server, names), _name(mailbox, names), *numbers)


def _made(kind: str, *values: Any) -> Rdata:
    made: Rdata = _CLASSES[kind](dns.rdataclass.IN, dns.rdatatype.from_text(kind), *values)
    return made


def _strings(text: str) -> list[bytes]:
    whole = text.encode()
    return [whole[at : at + _STRING] for at in range(0, len(whole), _STRING)] or [b""]


def _name(text: str, names: dict[str, dns.name.Name]) -> dns.name.Name:
    name = names.get(text)
    if name is None:
        name = names[text] = dns.name.Name([*(label.encode() for label in text.split(".")), b""])
    return name
