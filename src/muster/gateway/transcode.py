"""Queries and bodies as the JSON value of a message. Pure.

A query is read by the message that the endpoint takes, since it has no types of its own:

    name=x                  a string, a number, true or false, an enum's name or number, base64, a time...
    mark=1&mark=2           a repeated field
    address.city=x          a field of a message within
    counts.apples=3         an entry of a map

Lists and maps of messages, and values of no fixed type (Struct, Value, Any), do not fit into a query: POST takes them.
"""

from __future__ import annotations

import json
from collections import Counter
from typing import Any, NoReturn
from urllib.parse import parse_qsl

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from muster.gateway.typed_query import from_pairs
from muster.grpc.mismatch import MAX_DEPTH, expected, field_named, map_entry, unknown_field
from muster.grpc.offer import JSONType
from muster.grpc.wellknown import EXPECTED, SCALAR
from muster.model.errors import Fault

MAX_PARAMETERS = 1000

_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def from_query(query: str, taken: Descriptor | JSONType) -> Any:
    """The JSON value that a query, percent-encoded, stands for. What it cannot decide by itself (is `x` an int32?) is
    left to the conversion of that value. Raises Fault INVALID_ARGUMENT, which names the parameter."""
    pairs = _pairs(query)
    if isinstance(taken, JSONType):
        return from_pairs(pairs, taken)
    value: dict[str, Any] = {}
    for name, text in pairs:
        path = name.split(".")
        if len(path) > MAX_DEPTH:
            _fault(f"parameter {name[:40] + '…'!r}: nested more than {MAX_DEPTH} levels deep")
        _put(value, taken, name, path, text)
    return value


def _pairs(query: str) -> list[tuple[str, str]]:
    try:
        return parse_qsl(query, keep_blank_values=True, errors="strict", max_num_fields=MAX_PARAMETERS)
    except UnicodeDecodeError:
        _fault("the query is no UTF-8")
    except ValueError:
        _fault(f"the query has more than {MAX_PARAMETERS} parameters")


def from_body(body: bytes) -> Any:
    """The JSON value in a body; an empty body counts as {}. Raises Fault INVALID_ARGUMENT, which says where and what.

    Stricter than Python's json: no NaN or Infinity (protobuf's JSON has them as strings), no name twice in an object.
    """
    if not body.strip():
        return {}
    try:
        return json.loads(body.decode("utf-8-sig"), object_pairs_hook=_object, parse_constant=_constant)
    except UnicodeDecodeError as error:
        _fault(f"the body is no UTF-8, from byte {error.start + 1} on")
    except json.JSONDecodeError as error:
        _fault(f"the body is no JSON: {error.msg} at line {error.lineno}, column {error.colno}")
    except RecursionError:
        _fault("the body is nested too deep")
    except ValueError as error:  # int() of thousands of digits
        _fault(f"the body is no JSON that can be read: {error}")


def _put(into: dict[str, Any], descriptor: Descriptor, name: str, path: list[str], text: str) -> None:
    field = field_named(descriptor, path[0])
    if field is None:
        _fault(unknown_field(descriptor, name.removesuffix(".".join(path)).rstrip("."), path[0]))
    elif (entry := map_entry(field)) and entry.fields_by_name["value"].message_type is None:
        _put_entry(into.setdefault(field.json_name, {}), entry, name, path, text)
    elif field.message_type is None or field.message_type.full_name in SCALAR:
        _put_scalar(into, field, name, path, text)
    elif field.is_repeated or field.message_type.full_name in EXPECTED:
        _fault(f"parameter {name!r}: {expected(field)} does not fit into a query; send a POST with a JSON body")
    elif len(path) == 1:
        _fault(f"parameter {name!r}: expected {expected(field)}; name a field of it, as in {name}.FIELD={text or 'x'}")
    else:
        _put(into.setdefault(field.json_name, {}), field.message_type, name, path[1:], text)


def _put_entry(into: dict[str, Any], entry: Descriptor, name: str, path: list[str], text: str) -> None:
    if len(path) == 1:
        _fault(f"parameter {name!r} is a map: name the key, as in {name}.KEY={text or 'x'}")
    key = ".".join(path[1:])
    if key in into:
        _fault(f"parameter {name!r} is given twice")
    into[key] = _scalar(entry.fields_by_name["value"], name, text)


def _put_scalar(into: dict[str, Any], field: FieldDescriptor, name: str, path: list[str], text: str) -> None:
    if len(path) > 1:
        _fault(f"parameter {name!r}: {path[0]!r} is {expected(field)} and has no fields")
    value = _scalar(field, name, text)
    if field.is_repeated:
        into.setdefault(field.json_name, []).append(value)
    elif field.json_name in into:
        _fault(f"parameter {name!r} is given twice")
    else:
        into[field.json_name] = value


def _scalar(field: FieldDescriptor, name: str, text: str) -> Any:
    """Protobuf's JSON takes numbers, enums and bytes as strings; only bools it does not."""
    bool_value = field.message_type is not None and field.message_type.full_name == "google.protobuf.BoolValue"
    if field.type != FieldDescriptor.TYPE_BOOL and not bool_value:
        return text
    if text.lower() not in _BOOLS:
        _fault(f"parameter {name!r}: expected true or false, found {text[:40]!r}")
    return _BOOLS[text.lower()]


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        twice, _ = Counter(name for name, _ in pairs).most_common(1)[0]
        _fault(f"the body has the name {twice[:40]!r} twice in one object")
    return value


def _constant(name: str) -> NoReturn:
    _fault(f'the body is no JSON: {name} is no JSON value; protobuf takes it as a string, "{name}"')


def _fault(text: str) -> NoReturn:
    raise Fault("INVALID_ARGUMENT", text)
