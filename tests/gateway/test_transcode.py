"""muster.gateway.transcode: queries and bodies as JSON values, by tables."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.gateway.transcode import MAX_PARAMETERS, from_body, from_query
from muster.model.errors import Fault
from muster.testing.protos import compiled

ORDER = """
syntax = "proto3";
package shop;
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Size { SMALL = 0; LARGE = 1; }
message Order {
  string item = 1;
  int32 count = 2;
  bool gift = 3;
  double weight = 4;
  bytes seal = 5;
  Size size = 6;
  repeated int32 mark = 7;
  repeated bool flag = 8;
  Address address = 9;
  repeated Address others = 10;
  map<string, int32> counts = 11;
  map<string, Address> places = 12;
  google.protobuf.Timestamp at = 13;
  google.protobuf.Struct notes = 14;
  google.protobuf.BoolValue maybe = 15;
  google.protobuf.Duration within = 16;
  string sold_by = 17;
  map<string, bool> flags = 18;
}
message Address { string city = 1; Address parent = 2; repeated string line = 3; }
"""


@pytest.fixture(scope="module")
def order() -> Descriptor:
    return compiled(order=ORDER).FindMessageTypeByName("shop.Order")


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("", {}),
        ("item=tea", {"item": "tea"}),
        ("item=", {"item": ""}),
        ("item", {"item": ""}),
        ("item=a%20b+c%2B%26", {"item": "a b c+&"}),
        ("item=gr%C3%BCn", {"item": "grün"}),
        ("count=5&weight=1.5", {"count": "5", "weight": "1.5"}),
        ("gift=true", {"gift": True}),
        ("gift=0", {"gift": False}),
        ("gift=FALSE", {"gift": False}),
        ("seal=_-8", {"seal": "_-8"}),
        ("size=LARGE", {"size": "LARGE"}),
        ("mark=1&mark=2", {"mark": ["1", "2"]}),
        ("flag=true&flag=false", {"flag": [True, False]}),
        ("address.city=Rome&address.parent.city=Italy", {"address": {"city": "Rome", "parent": {"city": "Italy"}}}),
        ("address.line=a&address.line=b", {"address": {"line": ["a", "b"]}}),
        ("counts.apples=3&counts.a.b=4", {"counts": {"apples": "3", "a.b": "4"}}),
        ("flags.a=1", {"flags": {"a": True}}),
        ("at=2024-01-31T12:00:00Z&within=5s", {"at": "2024-01-31T12:00:00Z", "within": "5s"}),
        ("maybe=true", {"maybe": True}),
        ("sold_by=x", {"soldBy": "x"}),
        ("soldBy=x", {"soldBy": "x"}),
        ("&&item=x&", {"item": "x"}),
    ],
)
def test_queries(order: Descriptor, query: str, value: Any) -> None:
    assert from_query(query, order) == value


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("itm=x", "unknown field 'itm'; did you mean 'item'?"),
        ("=x", "unknown field ''"),
        ("address.town=x", "unknown field 'address.town'; known: city, parent, line"),
        ("address.parent.parent.x=1", "unknown field 'address.parent.parent.x'"),
        ("item=a&item=b", "parameter 'item' is given twice"),
        ("sold_by=a&soldBy=b", "parameter 'soldBy' is given twice"),
        ("counts.a=1&counts.a=2", "parameter 'counts.a' is given twice"),
        ("gift=yes", "parameter 'gift': expected true or false, found 'yes'"),
        ("gift", "parameter 'gift': expected true or false, found ''"),
        ("maybe=perhaps", "parameter 'maybe': expected true or false"),
        ("address=Rome", "parameter 'address': expected an object (shop.Address); name a field of it"),
        ("item.x=1", "parameter 'item.x': 'item' is a string and has no fields"),
        ("at.seconds=1", "parameter 'at.seconds': 'at' is a time"),
        ("others.city=Rome", "does not fit into a query; send a POST"),
        ("places.home.city=Rome", "does not fit into a query; send a POST"),
        ("notes.a=1", "does not fit into a query; send a POST"),
        ("counts=1", "parameter 'counts' is a map: name the key, as in counts.KEY=1"),
        ("item=%ff", "the query is no UTF-8"),
        ("address." + "parent." * 200 + "city=x", "nested more than 100 levels deep"),
        ("&".join(["mark=1"] * (MAX_PARAMETERS + 1)), f"more than {MAX_PARAMETERS} parameters"),
    ],
)
def test_queries_that_do_not_fit(order: Descriptor, query: str, text: str) -> None:
    with pytest.raises(Fault) as caught:
        from_query(query, order)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert text in caught.value.detail
    assert len(caught.value.detail) < 300


@settings(max_examples=200, deadline=None)
@given(query=st.text(alphabet="&=.+%abcitemounsadr019é\0", max_size=40))
def test_any_query_is_a_value_or_a_fault(order: Descriptor, query: str) -> None:
    try:
        assert isinstance(from_query(query, order), dict)
    except Fault as fault:
        assert fault.code == "INVALID_ARGUMENT"


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"", {}),
        (b" \r\n", {}),
        (b"{}", {}),
        (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
        ('{"a": "grün"}'.encode(), {"a": "grün"}),
        (b"null", None),
        (b"[1]", [1]),
        (b'"1.5s"', "1.5s"),
    ],
)
def test_bodies(body: bytes, value: Any) -> None:
    assert from_body(body) == value


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (b"{", "no JSON: Expecting property name enclosed in double quotes at line 1, column 2"),
        (b'{"a": 1,\n "b": }', "no JSON: Expecting value at line 2, column 7"),
        (b"name=x", "no JSON: Expecting value at line 1, column 1"),
        (b"{} {}", "no JSON: Extra data at line 1, column 4"),
        (b'{"a": NaN}', 'NaN is no JSON value; protobuf takes it as a string, "NaN"'),
        (b"[-Infinity]", "-Infinity is no JSON value"),
        (b'{"a": 1, "b": {"c": 1, "c": 2}}', "the name 'c' twice in one object"),
        (b'{"a": "\xff"}', "no UTF-8, from byte 8 on"),
        ('{"a": 1}'.encode("utf-16"), "no UTF-8"),
        (b"[" * 100_000, "nested too deep"),
        (b"1" * 5000, "no JSON that can be read: Exceeds the limit"),
    ],
)
def test_bodies_that_are_no_json(body: bytes, text: str) -> None:
    with pytest.raises(Fault) as caught:
        from_body(body)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert text in caught.value.detail
