"""muster.grpc.schema and mismatch: JSON to messages and back, and what is said of JSON that does not fit."""

from __future__ import annotations

import base64
import math
from contextlib import suppress
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from muster.grpc.mismatch import explain
from muster.grpc.reflect import Description
from muster.grpc.schema import Schema
from muster.model.errors import Fault
from muster.testing.protos import compiled

KITCHEN = """
syntax = "proto3";
package kitchen;
import "google/protobuf/any.proto";
import "google/protobuf/duration.proto";
import "google/protobuf/struct.proto";
import "google/protobuf/timestamp.proto";
import "google/protobuf/wrappers.proto";
enum Heat { COLD = 0; WARM = 1; HOT = 2; }
message Pan {
  int32 small = 1;
  uint64 big = 2;
  double ratio = 3;
  bool clean = 4;
  string label = 5;
  bytes residue = 6;
  Heat heat = 7;
  Pan inner = 8;
  repeated int32 marks = 9;
  repeated Pan stack = 10;
  map<string, int32> counts = 11;
  map<int32, Pan> shelves = 12;
  google.protobuf.Timestamp bought = 13;
  google.protobuf.Duration age = 14;
  google.protobuf.Struct notes = 15;
  google.protobuf.Value anything = 16;
  google.protobuf.Int32Value maybe = 17;
  google.protobuf.Any extra = 18;
  oneof lid { string glass = 19; int32 steel = 20; }
  optional int32 rank = 21;
  repeated Heat heats = 22;
  string served_by = 23;
}
service Kitchen { rpc Wash(Pan) returns (Pan); rpc Wait(google.protobuf.Duration) returns (Pan); }
"""


@pytest.fixture(scope="module")
def schema() -> Schema:
    pool = compiled(kitchen=KITCHEN)
    file = FileDescriptorProto.FromString(pool.FindFileByName("kitchen.proto").serialized_pb)
    return Schema(Description(("kitchen.Kitchen",), {"kitchen.proto": file}))


def through(schema: Schema, value: Any) -> Any:
    """To a message, over the wire, and back to JSON."""
    endpoint = schema.endpoints[0]
    return schema.reply(schema.decode(endpoint, schema.request(endpoint, value).SerializeToString()))


FULL = {
    "small": -1,
    "big": "18446744073709551615",
    "ratio": 0.5,
    "clean": True,
    "label": "ümläut",
    "residue": base64.b64encode(b"\0\xff").decode(),
    "heat": "HOT",
    "marks": [1, 2],
    "counts": {"a": 1},
    "bought": "2024-01-31T12:00:00Z",
    "age": "1.500s",
    "notes": {"any": ["thing", None, 1.5]},
    "anything": None,
    "maybe": 0,
    "extra": {"@type": "type.googleapis.com/google.protobuf.Duration", "value": "1s"},
    "glass": "clear",
    "rank": 0,
    "heats": ["COLD", "WARM"],
    "servedBy": "cook",
}


def test_every_kind_of_field_goes_there_and_back(schema: Schema) -> None:
    assert through(schema, FULL) == FULL | {"stack": [], "shelves": {}}


def test_what_is_not_set_is_there_with_its_default_unless_it_tracks_presence(schema: Schema) -> None:
    assert through(schema, {}) == {
        "small": 0,
        "big": "0",
        "ratio": 0.0,
        "clean": False,
        "label": "",
        "residue": "",
        "heat": "COLD",
        "marks": [],
        "stack": [],
        "counts": {},
        "shelves": {},
        "heats": [],
        "servedBy": "",
    }


@pytest.mark.parametrize(
    ("given_", "found"),
    [
        ({"served_by": "x"}, {"servedBy": "x"}),
        ({"small": "5"}, {"small": 5}),
        ({"small": 5.0}, {"small": 5}),
        ({"ratio": "NaN"}, {"ratio": "NaN"}),
        ({"ratio": "-Infinity"}, {"ratio": "-Infinity"}),
        ({"heat": 2}, {"heat": "HOT"}),
        ({"heat": 99}, {"heat": 99}),
        ({"residue": "_-8"}, {"residue": "/+8="}),
        ({"small": None}, {"small": 0}),
        ({"marks": (1, 2)}, {"marks": [1, 2]}),
        ({"shelves": {"7": {"small": 1}}}, {}),
    ],
)
def test_the_freedoms_that_protobufs_json_allows(schema: Schema, given_: Any, found: Any) -> None:
    assert through(schema, given_) | found == through(schema, given_)


def nested(depth: int) -> dict[str, Any]:
    value: dict[str, Any] = {}
    for _ in range(depth - 1):
        value = {"inner": value}
    return value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"smal": 1}, "unknown field 'smal'; did you mean 'small'?"),
        ({"inner": {"zzz": 1}}, "unknown field 'inner.zzz'; known: small, big, ratio, clean"),
        ({"stack": [{}, {"q": 1}]}, "unknown field 'stack[1].q'"),
        ({"small": "x"}, "field 'small': expected a whole number (int32), found the string 'x'"),
        ({"small": 1.5}, "field 'small': expected a whole number (int32), found the number 1.5"),
        ({"small": 2**31}, "field 'small': expected a whole number (int32), found the number 2147483648"),
        ({"small": True}, "field 'small': expected a whole number (int32), found true"),
        ({"big": -1}, "field 'big': expected a whole number (uint64), found the number -1"),
        ({"small": 10**100}, "found the number 1000000000000000000000000000000000000000…"),
        ({"ratio": math.nan}, "field 'ratio': expected a number (double), found the number nan"),
        ({"ratio": []}, "field 'ratio': expected a number (double), found a list"),
        ({"clean": "yes"}, "field 'clean': expected true or false, found the string 'yes'"),
        ({"clean": 1}, "field 'clean': expected true or false, found the number 1"),
        ({"label": 1}, "field 'label': expected a string, found the number 1"),
        ({"label": "\ud800"}, r"field 'label': expected a string, found the string '\ud800'"),
        ({"residue": "%%%"}, "field 'residue': expected a base64 string, found the string '%%%'"),
        ({"residue": "A"}, "field 'residue': expected a base64 string"),
        ({"residue": 5}, "field 'residue': expected a base64 string"),
        ({"inner": ""}, "field 'inner': expected an object (kitchen.Pan), found the string ''"),
        ({"inner": []}, "field 'inner': expected an object (kitchen.Pan), found a list"),
        ({"heat": "TEPID"}, "field 'heat': expected one of COLD, WARM, HOT (kitchen.Heat), found the string 'TEPID'"),
        ({"heats": ["HOT", "?"]}, "field 'heats[1]': expected one of COLD, WARM, HOT"),
        ({"inner": 5}, "field 'inner': expected an object (kitchen.Pan), found the number 5"),
        ({"inner": "abc"}, "field 'inner': expected an object (kitchen.Pan), found the string 'abc'"),
        ({"inner": {"inner": {"marks": 5}}}, "field 'inner.inner.marks': expected a list of a whole number"),
        ({"marks": [1, None]}, "field 'marks[1]': expected a whole number (int32), found null"),
        ({"stack": [None]}, "field 'stack[0]': expected an object (kitchen.Pan), found null"),
        ({"counts": []}, "field 'counts': expected an object, found a list"),
        ({"counts": {"a": "b"}}, "field 'counts[\"a\"]': expected a whole number (int32), found the string 'b'"),
        ({"counts": {"a": None}}, "field 'counts[\"a\"]': expected a whole number (int32), found null"),
        ({"shelves": {"x": {}}}, "field 'shelves[\"x\"]': expected a whole number (int32) for a key"),
        ({"shelves": {"1": {"q": 1}}}, "unknown field 'shelves[\"1\"].q'"),
        ({"bought": "yesterday"}, "field 'bought': expected a time as a string such as"),
        ({"age": 5}, "field 'age': expected seconds as a string such as"),
        ({"notes": 5}, "field 'notes': expected an object, found the number 5"),
        ({"maybe": "x"}, "field 'maybe': expected a whole number (int32), found the string 'x'"),
        ({"extra": {"@type": "x/unknown.Type"}}, "field 'extra': expected an object with \"@type\", found an object"),
        ({"extra": 5}, "field 'extra': expected an object with \"@type\", found the number 5"),
        ({"glass": "x", "steel": 1}, "fields 'glass' and 'steel' exclude each other"),
        ({"served_by": "x", "servedBy": "y"}, "fields 'served_by' and 'servedBy' exclude each other"),
        ({1: 2}, "unknown field '1'"),
        ({"\ud800": 2}, r"unknown field '\ud800'"),
        ({"small": slice(0)}, "expected a whole number (int32), found a slice"),
        (5, "expected an object (kitchen.Pan), found the number 5"),
        (None, "expected an object (kitchen.Pan), found null"),
        ([], "expected an object (kitchen.Pan), found a list"),
        (nested(101), "nested more than 100 levels deep"),
        (nested(900), "nested more than 100 levels deep"),
        ({"label": "x" * 1000, "small": "y" * 1000}, "'yyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyyy…"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(schema: Schema, value: Any, text: str) -> None:
    with pytest.raises(Fault) as caught:
        schema.request(schema.endpoints[0], value)
    assert caught.value.code == "INVALID_ARGUMENT"
    assert text in caught.value.detail
    assert len(caught.value.detail) < 400


def test_nesting_up_to_the_limit_fits(schema: Schema) -> None:
    schema.request(schema.endpoints[0], nested(99))


def test_a_request_that_is_no_object_in_json(schema: Schema) -> None:
    wait = schema.endpoints[1]
    assert schema.request(wait, "1.5s").seconds == 1  # type: ignore[attr-defined]
    with pytest.raises(Fault, match="expected seconds as a string"):
        schema.request(wait, {})


def test_a_reply_without_a_json_form(schema: Schema) -> None:
    message = schema.request(schema.endpoints[0], {})
    message.extra.type_url = "x/unknown.Type"  # type: ignore[attr-defined]
    with pytest.raises(Fault, match="has no JSON form") as caught:
        schema.reply(message)
    assert caught.value.code == "INTERNAL"


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from([*FULL, "inner", "stack", "shelves", "x"]), inner, max_size=3)
    ),
    max_leaves=10,
)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(value=JSON)
def test_any_json_fits_or_is_refused_with_a_reason(schema: Schema, value: Any) -> None:
    with suppress(Fault):
        schema.request(schema.endpoints[0], value)
    if not explain(schema.request_type(schema.endpoints[0]), value):
        schema.request(schema.endpoints[0], value)
