"""Queries by JSON Schema."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qsl

import pytest

from muster.gateway.typed_query import from_pairs
from muster.grpc.offer import JSONType
from muster.model.errors import Fault

ADDRESS = {"type": "object", "properties": {"city": {"type": "string"}}}
TREE = {"type": "object", "properties": {"child": {"$ref": "#/$defs/Tree"}, "n": {"type": "integer"}}}
ORDER = {
    "type": "object",
    "properties": {
        "item": {"type": "string"},
        "count": {"type": "integer"},
        "price": {"anyOf": [{"type": "number"}, {"type": "null"}]},
        "gift": {"type": "boolean"},
        "marks": {"type": "array", "items": {"type": "integer"}},
        "address": {"$ref": "#/$defs/Address"},
        "counts": {"type": "object", "additionalProperties": {"type": "integer"}},
        "size": {"enum": ["small", "large"]},
        "level": {"enum": [1, 2]},
        "free": {},
    },
}
DEFINITIONS = {"Address": ADDRESS, "Order": ORDER, "Tree": TREE, "Endless": {"$ref": "#/$defs/Endless"}}


def read(query: str, name: str = "Order") -> Any:
    return from_pairs(
        parse_qsl(query, keep_blank_values=True), JSONType(name, {"$ref": f"#/$defs/{name}"}, DEFINITIONS)
    )


@pytest.mark.parametrize(
    ("query", "value"),
    [
        ("", {}),
        ("item=7", {"item": "7"}),
        ("count=7", {"count": 7}),
        ("count=x", {"count": "x"}),
        ("count=true", {"count": "true"}),
        ("price=1.5", {"price": 1.5}),
        ("price=", {"price": ""}),
        ("gift=true&free=true", {"gift": True, "free": "true"}),
        ("gift=maybe", {"gift": "maybe"}),
        ("marks=1&marks=2", {"marks": [1, 2]}),
        ("marks=1", {"marks": [1]}),
        ("address.city=x", {"address": {"city": "x"}}),
        ("counts.apples=3&counts.pears=4", {"counts": {"apples": 3, "pears": 4}}),
        ("size=small&level=2", {"size": "small", "level": 2}),
    ],
)
def test_the_schema_gives_the_types(query: str, value: Any) -> None:
    assert read(query) == value


@pytest.mark.parametrize(
    ("query", "name", "text"),
    [
        ("itm=x", "Order", "there is no field 'itm'; there are: address, count"),
        ("item=x&item=y", "Order", "parameter 'item' is given twice"),
        ("item.name=x", "Order", "'item' has no fields"),
        ("address.street=x", "Order", "there is no field 'street'; there are: city"),
        ("child." * 200 + "n=1", "Tree", "levels deep"),
        ("a=1", "Endless", "send a POST with a JSON body"),
    ],
)
def test_what_does_not_fit_is_named(query: str, name: str, text: str) -> None:
    with pytest.raises(Fault, match=text):
        read(query, name)


def test_what_is_no_object_needs_a_body() -> None:
    with pytest.raises(Fault, match=r"the method takes list\[int\]: send a POST"):
        from_pairs([], JSONType("list[int]", {"type": "array"}, {}))


def test_a_method_that_takes_nothing() -> None:
    assert from_pairs([], JSONType("", {"type": "null"}, {})) is None
    with pytest.raises(Fault):
        from_pairs([("a", "b")], JSONType("", {"type": "null"}, {}))
