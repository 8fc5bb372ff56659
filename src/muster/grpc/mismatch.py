"""Whether a JSON value is a message, and if not, why: the first fault in it, by its path.

Protobuf's own json_format says no more than "'int' object is not iterable" of some faults, and lets others pass: bytes
that are no base64 lose characters, "" and [] count as empty messages, of two spellings of a field the last wins. So
structure is judged here, and json_format is asked about every single scalar that is not plainly right.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from functools import partial
from typing import Any

from google.protobuf import json_format
from google.protobuf.descriptor import Descriptor, FieldDescriptor
from google.protobuf.message_factory import GetMessageClass

from muster.grpc.wellknown import EXPECTED

MAX_DEPTH = 100
"""Messages within messages, as protobuf's parsers have it."""

_SCALARS = {
    FieldDescriptor.TYPE_DOUBLE: "a number (double)",
    FieldDescriptor.TYPE_FLOAT: "a number (float)",
    FieldDescriptor.TYPE_INT64: "a whole number (int64)",
    FieldDescriptor.TYPE_UINT64: "a whole number (uint64)",
    FieldDescriptor.TYPE_INT32: "a whole number (int32)",
    FieldDescriptor.TYPE_FIXED64: "a whole number (fixed64)",
    FieldDescriptor.TYPE_FIXED32: "a whole number (fixed32)",
    FieldDescriptor.TYPE_BOOL: "true or false",
    FieldDescriptor.TYPE_STRING: "a string",
    FieldDescriptor.TYPE_BYTES: "a base64 string",
    FieldDescriptor.TYPE_UINT32: "a whole number (uint32)",
    FieldDescriptor.TYPE_SFIXED32: "a whole number (sfixed32)",
    FieldDescriptor.TYPE_SFIXED64: "a whole number (sfixed64)",
    FieldDescriptor.TYPE_SINT32: "a whole number (sint32)",
    FieldDescriptor.TYPE_SINT64: "a whole number (sint64)",
}

_BASE64 = re.compile("[A-Za-z0-9+/_-]*={0,2}")
_SHOWN = 40
_SHOWN_NAMES = 20


def explain(descriptor: Descriptor, value: object) -> str:
    """The first fault of `value` as a message of this type, in a sentence; empty if there is none."""
    return next(_in_message(descriptor, value, "", 1), "")


def expected(field: FieldDescriptor) -> str:
    """What one value of `field` looks like in JSON, for people."""
    if field.message_type is not None:
        return _expected_message(field.message_type)
    if field.enum_type is not None:
        names = ", ".join(value.name for value in field.enum_type.values[:_SHOWN_NAMES])
        return f"one of {names} ({field.enum_type.full_name})"
    return _SCALARS.get(field.type, "another type")


def field_named(descriptor: Descriptor, name: str) -> FieldDescriptor | None:
    """The field with this name, in JSON's spelling or in that of the .proto file."""
    # Names are ASCII, those in JSON's spelling need not be; for half a surrogate pair protobuf raises SystemError.
    found: FieldDescriptor | None = descriptor.fields_by_name.get(name) if name.isascii() else None
    return found or next((field for field in descriptor.fields if field.json_name == name), None)


def unknown_field(descriptor: Descriptor, path: str, name: str) -> str:
    """A sentence for a field that is not there, with the names that are."""
    names = [field.json_name for field in descriptor.fields]
    close = get_close_matches(name, names, 1)
    hint = f"did you mean {close[0]!r}?" if close else f"known: {', '.join(names[:_SHOWN_NAMES]) or 'none'}"
    return f"unknown field {join(path, name)!r}; {hint}"


def join(path: str, name: str) -> str:
    """The path of a field within what `path` leads to."""
    return f"{path}.{name}" if path else name


def map_entry(field: FieldDescriptor) -> Descriptor | None:
    """For a map, an object in JSON: the message that protobuf makes of each `key` and `value`; else None."""
    entry = field.message_type
    return entry if entry is not None and entry.GetOptions().map_entry else None


def _in_message(descriptor: Descriptor, value: object, path: str, depth: int) -> Iterator[str]:
    if depth > MAX_DEPTH:
        yield f"nested more than {MAX_DEPTH} levels deep"
    elif descriptor.full_name in EXPECTED:
        yield from _judge(path, _expected_message(descriptor), value, partial(_parse_alone, descriptor, value))
    elif not isinstance(value, dict):
        yield _wrong(path, _expected_message(descriptor), value)
    else:
        yield from _in_fields(descriptor, value, path, depth)


def _in_fields(descriptor: Descriptor, value: dict[Any, Any], path: str, depth: int) -> Iterator[str]:
    seen: dict[str, str] = {}
    for name, inner in value.items():
        field = field_named(descriptor, str(name))
        if field is None:
            yield unknown_field(descriptor, path, str(name))
        elif inner is not None:
            slot = field.containing_oneof.full_name if field.containing_oneof else field.full_name
            if slot in seen:
                yield f"fields {join(path, seen[slot])!r} and {join(path, name)!r} exclude each other"
            seen[slot] = name
            yield from _in_field(field, inner, join(path, name), depth)


def _in_field(field: FieldDescriptor, value: object, path: str, depth: int) -> Iterator[str]:
    if entry := map_entry(field):
        yield from _in_map(field, entry, value, path, depth)
    elif field.is_repeated:
        yield from _in_list(field, value, path, depth)
    else:
        yield from _in_value(field, value, path, depth)


def _in_list(field: FieldDescriptor, value: object, path: str, depth: int) -> Iterator[str]:
    if not isinstance(value, list | tuple):
        yield _wrong(path, f"a list of {expected(field)}", value)
        return
    for index, item in enumerate(value):
        yield from _in_value(field, item, f"{path}[{index}]", depth)


def _in_map(field: FieldDescriptor, entry: Descriptor, value: object, path: str, depth: int) -> Iterator[str]:
    if not isinstance(value, dict):
        yield _wrong(path, "an object", value)
        return
    key_field, value_field = entry.fields_by_name["key"], entry.fields_by_name["value"]
    for key, item in value.items():
        where = f'{path}["{key}"]'
        yield from _in_value(value_field, item, where, depth)
        if not (key_field.type == FieldDescriptor.TYPE_STRING and _plainly_right(key_field, key)):
            parse = partial(_parse_alone, field.containing_type, {field.name: {key: item}})
            yield from _judge(where, f"{expected(key_field)} for a key", key, parse)


def _in_value(field: FieldDescriptor, value: object, path: str, depth: int) -> Iterator[str]:
    if value is None and not _takes_null(field):
        yield _wrong(path, expected(field), value)
    elif field.message_type is not None:
        yield from _in_message(field.message_type, value, path, depth + 1)
    elif field.type == FieldDescriptor.TYPE_BYTES and not _is_base64(value):
        yield _wrong(path, expected(field), value)
    elif not _plainly_right(field, value):
        alone = {field.name: [value] if field.is_repeated else value}
        yield from _judge(path, expected(field), value, partial(_parse_alone, field.containing_type, alone))


def _plainly_right(field: FieldDescriptor, value: object) -> bool:
    """What needs no second opinion: most values of most messages. Asking json_format costs twenty times as much."""
    match field.cpp_type:
        case FieldDescriptor.CPPTYPE_STRING:
            return type(value) is str and value.isascii()
        case FieldDescriptor.CPPTYPE_BOOL:
            return type(value) is bool
        case FieldDescriptor.CPPTYPE_DOUBLE | FieldDescriptor.CPPTYPE_FLOAT:
            return type(value) is float and -1e9 < value < 1e9
        case FieldDescriptor.CPPTYPE_ENUM | FieldDescriptor.CPPTYPE_MESSAGE:
            return False
        case _:
            return type(value) is int and 0 <= value < 2**31


def _is_base64(value: object) -> bool:
    """Either alphabet, with or without padding (https://protobuf.dev/programming-guides/json/)."""
    return isinstance(value, str) and bool(_BASE64.fullmatch(value)) and len(value.rstrip("=")) % 4 != 1


def _takes_null(field: FieldDescriptor) -> bool:
    types = (field.message_type, field.enum_type)
    return any(type_ and type_.full_name in ("google.protobuf.Value", "google.protobuf.NullValue") for type_ in types)


def _judge(path: str, wanted: str, value: object, parse: Callable[[], object]) -> Iterator[str]:
    """Lets json_format decide on one value."""
    try:
        parse()
    except Exception:  # ParseError for most, but whatever the type of a value provokes for some
        yield _wrong(path, wanted, value)


def _parse_alone(descriptor: Descriptor | None, value: Any) -> None:
    assert descriptor is not None
    json_format.ParseDict(value, GetMessageClass(descriptor)(), descriptor_pool=descriptor.file.pool)


def _expected_message(descriptor: Descriptor) -> str:
    return EXPECTED.get(descriptor.full_name, f"an object ({descriptor.full_name})")


def _wrong(path: str, wanted: str, value: object) -> str:
    where = f"field {path!r}: " if path else ""
    return f"{where}expected {wanted}, found {_describe(value)}"


def _describe(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case str():
            return f"the string {_shortened(repr(value))}"
        case int() | float():
            return f"the number {_shortened(str(value))}"
        case list() | tuple():
            return "a list"
        case dict():
            return "an object"
        case _:
            return f"a {type(value).__name__}"


def _shortened(text: str) -> str:
    return text if len(text) <= _SHOWN else text[:_SHOWN] + "…"
