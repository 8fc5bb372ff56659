"""Bytes to questions, answers to bytes."""

from __future__ import annotations

import dns.message
import dns.rcode
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.agent.dns import message
from muster.agent.dns.message import Inquiry
from muster.agent.dns.records import Address, Alias, Answer, Location, Record, Room, Text


def inquiry(name: str = "Web.service.consul", kind: str = "SRV", payload: int = 0) -> Inquiry:
    query = dns.message.make_query(name, kind, use_edns=0 if payload else False, payload=payload)
    read = message.read(query.to_wire())
    assert isinstance(read, Inquiry)
    return read


def written(answer: Answer, room: int = message.LARGEST_TCP, *, tell: bool = False) -> bytes:
    return message.write(inquiry(), answer, Room(room), recursive=False, tell=tell)


def test_the_question_comes_back_as_it_was() -> None:
    asked = inquiry("WeB.service.consul")
    assert asked.question.labels == ("WeB", "service", "consul")
    reply = dns.message.from_wire(message.write(asked, Answer(), Room(512), recursive=True, tell=False))
    assert reply.question[0].name.to_text() == "WeB.service.consul."
    assert reply.id == asked.message.id


def test_what_a_client_can_take() -> None:
    assert [inquiry(payload=size).room for size in (0, 100, 1232, 65535)] == [512, 512, 1232, message.LARGEST_UDP]


def test_no_answer_is_longer_than_a_message_can_be() -> None:
    records = tuple(Record("web", 0, Location(1, n, f"{n:08x}.addr.dc1.consul")) for n in range(2000))
    wire = written(Answer(answer=records), tell=True)
    assert 64_000 < len(wire) <= 65_535
    assert wire[2] & 2  # truncated


def test_what_dns_cannot_say_is_left_out() -> None:
    names = ("a..b", "x" * 64, ".".join(["y" * 60] * 5), "")
    records = tuple(Record("web", 0, Alias(name)) for name in names)
    reply = dns.message.from_wire(written(Answer(answer=(*records, Record("web", 0, Address("10.0.0.1"))))))
    assert [rrset.to_text() for rrset in reply.answer] == ["web. 0 IN A 10.0.0.1"]


def test_long_texts_are_several_strings() -> None:
    wire = written(Answer(answer=(Record("web", 0, Text("v" * 600)),)))
    (rdata,) = dns.message.from_wire(wire).answer[0]
    assert [len(part) for part in rdata.strings] == [255, 255, 90]


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=600))
def test_any_bytes_are_a_question_or_answered_or_dropped(wire: bytes) -> None:
    read = message.read(wire)
    if isinstance(read, bytes):
        assert dns.message.from_wire(read).rcode() in (dns.rcode.FORMERR, dns.rcode.NOTIMP)
        assert read[:2] == wire[:2]
    elif read is not None:
        assert len(message.write(read, Answer(), Room(read.room), recursive=False, tell=False)) <= read.room
