"""Bytes to questions, with dnspython, and answers to bytes (RFC 1035, RFC 6891)."""

from __future__ import annotations

import logging
import struct
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message
import dns.opcode
import dns.rcode
import dns.rdatatype

from muster.agent.dns.fitting import fitted
from muster.agent.dns.question import Question
from muster.agent.dns.records import Answer, Room
from muster.agent.dns.wire import Response

SMALLEST_UDP = 512
LARGEST_UDP = 65_535 - 68
"""Bytes that fit into a datagram with its headers."""
LARGEST_TCP = 65_535

_HEADER = 12

_OPCODE = 0x7800

_log = logging.getLogger("muster.agent.dns")


@dataclass(frozen=True, slots=True)
class Inquiry:
    """A message with one question. `room`: bytes that the answer may have by UDP. `extended`: the client speaks EDNS,
    and said so itself what it can take."""

    message: dns.message.Message
    question: Question
    room: int
    extended: bool


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
    response = _response(inquiry, answer, recursive=recursive)
    part, wire = fitted(answer, room, response.written)
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


def _response(inquiry: Inquiry, answer: Answer, *, recursive: bool) -> Response:
    asked = inquiry.message
    flags = dns.flags.QR | asked.flags & (dns.flags.RD | dns.flags.CD)
    flags |= dns.flags.AA if answer.authoritative else 0
    flags |= dns.flags.RA if recursive else 0
    kind = asked.question[0]
    name = b"".join(bytes((len(label),)) + label for label in kind.name.labels)
    question = name + struct.pack("!HH", kind.rdtype, kind.rdclass)
    return Response(asked.id, flags, question, inquiry.question.labels, inquiry.room if inquiry.extended else None)
