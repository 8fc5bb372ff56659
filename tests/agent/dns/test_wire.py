"""Records to bytes: dnspython has to read from them what was written."""

from __future__ import annotations

import dns.message
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.agent.dns.records import Address, Alias, Answer, Location, NameServer, Pointer, Record, Start, Text
from muster.agent.dns.wire import Response

_LABELS = ("a", "B", "web", "service", "consul", "x" * 63, "0a000001", "-", "_tcp")
_names = st.lists(st.sampled_from(_LABELS), min_size=1, max_size=3).map(".".join)
_data = st.one_of(
    st.builds(Address, st.sampled_from(("10.0.0.1", "2001:db8::1"))),
    st.builds(Location, st.integers(1, 0xFFFF), st.integers(0, 0xFFFF), _names),
    st.builds(Start, _names, _names, *[st.integers(0, 0xFFFFFFFF)] * 5),
    *(st.builds(kind, _names) for kind in (Alias, Pointer, NameServer)),
)
_records = st.lists(st.builds(Record, _names, st.integers(0, 0x7FFFFFFF), _data), max_size=12).map(tuple)


def read_back(labels: tuple[str, ...], answer: Answer) -> dns.message.Message:
    query = dns.message.make_query(".".join(labels), "A")
    question = query.to_wire()[12:]
    wire = Response(7, 0x8000, question, labels, payload=1232).written(answer)
    return dns.message.from_wire(wire, one_rr_per_rrset=True)


def shown(record: Record) -> str:
    data = record.data
    match data:
        case Location(weight, port, target):
            told = f"SRV 1 {weight} {port} {target}."
        case Address(text):
            told = f"{data.kind} {text}"
        case Start(server, mailbox):
            told = f"SOA {server}. {mailbox}. {data.serial} {data.refresh} {data.retry} {data.expire} {data.min_ttl}"
        case Alias(target):
            told = f"CNAME {target}."
        case Pointer(target):
            told = f"PTR {target}."
        case NameServer(target):
            told = f"NS {target}."
        case Text(text):
            told = f'TXT "{text}"'
    return f"{record.owner}. {record.ttl} IN {told}".lower()


@settings(max_examples=150, deadline=None)
@given(st.lists(st.sampled_from(_LABELS), min_size=1, max_size=3).map(tuple), _records, _records)
def test_what_was_written_is_read(labels: tuple[str, ...], first: tuple[Record, ...], more: tuple[Record, ...]) -> None:
    reply = read_back(labels, Answer(answer=first, additional=more))
    assert [each.to_text().lower() for each in reply.answer] == [shown(record) for record in first]
    assert [each.to_text().lower() for each in reply.additional] == [shown(record) for record in more]
    assert (reply.id, reply.payload) == (7, 1232)


def test_names_beyond_the_reach_of_pointers_are_whole() -> None:
    records = tuple(Record(f"n{number}.far.away", 0, Text("t" * 200)) for number in range(200))
    reply = read_back(("web", "consul"), Answer(answer=records))
    assert [each.to_text().lower() for each in reply.answer] == [shown(record) for record in records]


def test_kinds_that_say_the_same_are_not_mixed_up() -> None:
    records = tuple(Record("a", 0, kind("b")) for kind in (Alias, Pointer, NameServer))
    reply = read_back(("web",), Answer(answer=records))
    assert [each.to_text() for each in reply.answer] == ["a. 0 IN CNAME b.", "a. 0 IN PTR b.", "a. 0 IN NS b."]
