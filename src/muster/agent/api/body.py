"""JSON bodies as Go decodes them, and Consul's texts for those that it cannot.

The case of keys does not matter, a few have another spelling (`wire.KEY_ALIASES`), null is "not given", an unknown key
is refused, and whatever follows the first value is ignored.
"""

from __future__ import annotations

import json
import re
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, TypeVar, Union, get_args, get_origin, get_type_hints

import msgspec

from muster.agent.api.answer import Refused
from muster.registry.consul.wire import KEY_ALIASES, Wire

_Body = TypeVar("_Body", bound=Wire)

_MISMATCH = re.compile(
    r"Expected `(?P<wanted>[^`]+)`, got `(?P<got>[^`]+)`(?: - at `\$\.?(?P<field>\w*)(?P<deeper>[^`]*)`)?"
)
_GO_KINDS = {"str": "string", "int": "number", "float": "number"}
_GO_PLACES = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting ':'", "after object key"),
    ("Expecting ','", "after object key:value pair"),
)
_GO_TYPES = {"int": "int", "str": "string", "bool": "bool", "array": "[]string", "object": "map[string]string"}


class _Field(NamedTuple):
    """A key as Consul spells it, and the struct in its value, if any: directly, in a list or in a map."""

    key: str
    struct: type[Wire] | None
    in_map: bool


class _UnknownField(Exception):
    """A key that the struct does not have."""


def decode_body(body: bytes, kind: type[_Body]) -> _Body:
    """The struct in a body. Raises Refused with status 400 and Consul's text."""
    try:
        value = _first_value(body)
        if isinstance(value, dict):
            value = _fold(value, kind)
        return msgspec.convert({} if value is None else value, kind)
    except _UnknownField as error:
        raise _failed(f'json: unknown field "{error}"') from None
    except msgspec.ValidationError as error:
        raise _failed(_go_mismatch(str(error), kind)) from None
    except RecursionError:
        raise _failed("exceeded max depth") from None


def _failed(why: str) -> Refused:
    return Refused(400, f"Request decode failed: {why}")


def _first_value(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _first_of_several(body.decode("utf-8", "replace").lstrip(" \t\r\n"))


def _first_of_several(text: str) -> Any:
    """The slow way, which stops at the end of the first value and can tell where a fault is."""
    if not text:
        raise _failed("EOF")
    try:
        return json.JSONDecoder(parse_constant=_no_constant).raw_decode(text)[0]
    except json.JSONDecodeError as error:
        if error.pos >= len(text) or error.msg.startswith("Unterminated"):
            raise _failed("unexpected EOF") from None
        raise _failed(_go_syntax(text, error)) from None


def _go_syntax(text: str, error: json.JSONDecodeError) -> str:
    if error.msg.startswith("Invalid \\escape"):
        return f"invalid character '{text[error.pos + 1]}' in string escape code"
    place = next((go for start, go in _GO_PLACES if error.msg.startswith(start)), "looking for beginning of value")
    return f"invalid character '{text[error.pos]}' {place}"


def _no_constant(name: str) -> Any:
    raise _failed(f"invalid character '{name[0]}' looking for beginning of value")


def _fold(value: dict[str, Any], kind: type[Wire]) -> dict[str, Any]:
    """The same with every key as Consul spells it, and without nulls."""
    fields = _fields(kind)
    folded: dict[str, Any] = {}
    for key, inner in value.items():
        lower = key.lower()
        field = fields.get(KEY_ALIASES.get(lower, lower))
        if field is None:
            raise _UnknownField(key)
        if inner is not None:
            folded[field.key] = inner if field.struct is None else _fold_inner(inner, field.struct, field.in_map)
    return folded


def _fold_inner(inner: Any, struct: type[Wire], in_map: bool) -> Any:
    if isinstance(inner, list):
        return [_fold_inner(element or {}, struct, False) for element in inner]
    if not isinstance(inner, dict):
        return inner
    if in_map:
        return {key: _fold_inner(element, struct, False) for key, element in inner.items()}
    return _fold(inner, struct)


@cache
def _fields(kind: type[Wire]) -> dict[str, _Field]:
    hints = get_type_hints(kind)
    return {
        field.encode_name.lower(): _Field(field.encode_name, *_struct_in(hints[field.name]))
        for field in msgspec.structs.fields(kind)
    }


def _struct_in(hint: Any) -> tuple[type[Wire] | None, bool]:
    if isinstance(hint, type) and issubclass(hint, Wire):
        return hint, False
    in_map = get_origin(hint) is dict
    if in_map or get_origin(hint) in (list, Union, UnionType):
        for part in get_args(hint):
            struct, inner_map = _struct_in(part)
            if struct is not None:
                return struct, in_map or inner_map
    return None, False


def _go_mismatch(error: str, kind: type[Wire]) -> str:
    match = _MISMATCH.match(error)
    if match is None:
        return error
    wanted = match["wanted"].split(" | ")[0]
    got = _GO_KINDS.get(match["got"], match["got"])
    if not match["field"]:
        return f"json: cannot unmarshal {got} into Go value of type structs.{kind.__name__}"
    return (
        f"json: cannot unmarshal {got} into Go struct field .{match['field']} of type {_GO_TYPES.get(wanted, wanted)}"
    )
