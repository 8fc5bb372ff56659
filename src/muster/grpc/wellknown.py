"""Protobuf's own types: the same in every language, and with a JSON form of their own.

https://protobuf.dev/programming-guides/json/. Ours are used, whatever a server says of them: our conversion to JSON
is made for ours.
"""

from __future__ import annotations

from importlib import import_module

from google.protobuf.descriptor import FileDescriptor

_MODULES = {
    f"google/protobuf/{name}.proto": f"google.protobuf.{name}_pb2"
    for name in (
        "any",
        "api",
        "descriptor",
        "duration",
        "empty",
        "field_mask",
        "source_context",
        "struct",
        "timestamp",
        "type",
        "wrappers",
    )
}

EXPECTED = {
    "google.protobuf.Any": 'an object with "@type"',
    "google.protobuf.BoolValue": "true or false",
    "google.protobuf.BytesValue": "a base64 string",
    "google.protobuf.DoubleValue": "a number (double)",
    "google.protobuf.Duration": 'seconds as a string such as "1.5s"',
    "google.protobuf.FieldMask": 'field paths as a string such as "name,address.city"',
    "google.protobuf.FloatValue": "a number (float)",
    "google.protobuf.Int32Value": "a whole number (int32)",
    "google.protobuf.Int64Value": "a whole number (int64)",
    "google.protobuf.ListValue": "a list",
    "google.protobuf.StringValue": "a string",
    "google.protobuf.Struct": "an object",
    "google.protobuf.Timestamp": 'a time as a string such as "2024-01-31T12:00:00Z"',
    "google.protobuf.UInt32Value": "a whole number (uint32)",
    "google.protobuf.UInt64Value": "a whole number (uint64)",
    "google.protobuf.Value": "any JSON value",
}
"""The messages whose JSON is no object of their fields, and what it is instead, for people."""

SCALAR = frozenset(EXPECTED) - {f"google.protobuf.{name}" for name in ("Any", "ListValue", "Struct", "Value")}
"""Those whose JSON is a single scalar, so that it fits into a query string."""


def is_well_known(file: str) -> bool:
    """Whether a file name is one of protobuf's own."""
    return file in _MODULES


def well_known_file(file: str) -> FileDescriptor:
    """The descriptor of one of protobuf's own files."""
    descriptor: FileDescriptor = import_module(_MODULES[file]).DESCRIPTOR
    return descriptor
