"""JSON bodies as Go decodes them, and Consul's texts for those that it cannot.

The case of keys does not matter, null is "not given", and whatever follows the first value is ignored. Endpoints differ
in what they do with other spellings of keys and with unknown ones: see Dialect.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
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
_SURROGATE = re.compile("[\ud800-\udfff]")
_GO_KINDS = {"str": "string", "int": "number", "float": "number"}
_GO_PLACES = (
    ("Expecting property name", "looking for beginning of object key string"),
    ("Expecting ':'", "after object key"),
    ("Expecting ','", "after object key:value pair"),
)
_GO_TYPES = {"int": "int", "str": "string", "bool": "bool", "array": "[]string", "object": "map[string]string"}


class _Field(NamedTuple):
    """A key as Consul spells it, and the struct in its value, if any: directly, in a list or in a map. `of_texts`: the
    value is a list or a map of strings."""

    key: str
    struct: type[Wire] | None
    in_map: bool
    of_texts: bool


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an endpoint reads its body: other spellings of keys, whether unknown ones pass, how its complaints begin."""

    aliases: Mapping[str, str] = field(default_factory=dict[str, str])
    lenient: bool = False
    complaint: str = "Request decode failed: "

    def failed(self, why: str) -> Refused:
        return Refused(400, self.complaint + why)


AGENT = Dialect(KEY_ALIASES)
CATALOG = Dialect()
SESSION = Dialect(lenient=True)
TRANSACTION = Dialect(complaint="Failed to parse body: ")


class _UnknownField(Exception):
    """A key that the struct does not have."""


class _Malformed(Exception):
    """The body is no JSON; the text says why."""


def decode_body(body: bytes, kind: type[_Body], dialect: Dialect = AGENT) -> _Body:
    """The struct in a body. Raises Refused with status 400 and Consul's text."""
    value = _decoded(body, dialect)
    return _struct({} if value is None else value, kind, dialect)


def decode_list(body: bytes, kind: type[_Body], go_type: str, dialect: Dialect) -> list[_Body]:
    """The structs in a body that is a list, which Go calls `go_type`. Raises Refused like `decode_body`."""
    value = _decoded(body, dialect)
    if not isinstance(value, list | None):
        raise dialect.failed(f"json: cannot unmarshal {_go_kind(value)} into Go value of type {go_type}")
    return [_struct({} if element is None else element, kind, dialect) for element in value or []]


def decoded_as(value: dict[str, Any], kind: type[_Body], dialect: Dialect) -> _Body:
    """The struct in a part of a body that was decoded before. Raises Refused like `decode_body`."""
    return _struct(value, kind, dialect)


def decode_json(body: bytes, dialect: Dialect) -> Any:
    """Whatever JSON a body holds. Raises Refused like `decode_body`."""
    return _decoded(body, dialect)


def _decoded(body: bytes, dialect: Dialect) -> Any:
    try:
        return _first_value(body)
    except _Malformed as error:
        raise dialect.failed(str(error)) from None
    except RecursionError:
        raise dialect.failed("exceeded max depth") from None


def _struct(value: Any, kind: type[_Body], dialect: Dialect) -> _Body:
    try:
        return msgspec.convert(_fold(value, kind, dialect) if isinstance(value, dict) else value, kind)
    except _UnknownField as error:
        raise dialect.failed(f'json: unknown field "{error}"') from None
    except msgspec.ValidationError as error:
        raise dialect.failed(_go_mismatch(str(error), kind)) from None
    except RecursionError:
        raise dialect.failed("exceeded max depth") from None


def _go_kind(value: Any) -> str:
    kinds = ((bool, "bool"), (str, "string"), (int | float, "number"), (dict, "object"))
    return next((name for kind, name in kinds if isinstance(value, kind)), "array")


def _first_value(body: bytes) -> Any:
    try:
        return msgspec.json.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return _first_of_several(body.decode("utf-8", "replace").lstrip(" \t\r\n"))


def _first_of_several(text: str) -> Any:
    """The slow way, which stops at the end of the first value and can tell where a fault is."""
    if not text:
        raise _Malformed("EOF")
    try:
        return _in_unicode(json.JSONDecoder(parse_constant=_no_constant).raw_decode(text)[0])
    except json.JSONDecodeError as error:
        if error.pos >= len(text) or error.msg.startswith("Unterminated"):
            raise _Malformed("unexpected EOF") from None
        raise _Malformed(_go_syntax(text, error)) from None


def _in_unicode(value: Any) -> Any:
    """The same with halves of surrogate pairs replaced, as Go does: a string that has one cannot be sent to anybody."""
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_in_unicode(element) for element in value]
    if isinstance(value, dict):
        return {_in_unicode(key): _in_unicode(element) for key, element in value.items()}
    return value


def _go_syntax(text: str, error: json.JSONDecodeError) -> str:
    if error.msg.startswith("Invalid \\escape"):
        return f"invalid character '{text[error.pos + 1]}' in string escape code"
    place = next((go for start, go in _GO_PLACES if error.msg.startswith(start)), "looking for beginning of value")
    return f"invalid character '{text[error.pos]}' {place}"


def _no_constant(name: str) -> Any:
    raise _Malformed(f"invalid character '{name[0]}' looking for beginning of value")


def _fold(value: dict[str, Any], kind: type[Wire], dialect: Dialect) -> dict[str, Any]:
    """The same with every key as Consul spells it, and without nulls."""
    fields = _fields(kind)
    folded: dict[str, Any] = {}
    for key, inner in value.items():
        lower = key.lower()
        known = fields.get(dialect.aliases.get(lower, lower))
        if known is None:
            if dialect.lenient:
                continue
            raise _UnknownField(key)
        if inner is not None:
            folded[known.key] = _without_nulls(inner) if known.of_texts else _fold_inner(inner, known, dialect)
    return folded


def _without_nulls(inner: Any) -> Any:
    """The same with empty strings for nulls, as Go reads them."""
    if isinstance(inner, list):
        return ["" if element is None else element for element in inner]
    if isinstance(inner, dict):
        return {key: "" if element is None else element for key, element in inner.items()}
    return inner


def _fold_inner(inner: Any, known: _Field, dialect: Dialect) -> Any:
    if known.struct is None:
        return inner
    if isinstance(inner, list):
        return [_fold_inner(element or {}, known._replace(in_map=False), dialect) for element in inner]
    if not isinstance(inner, dict):
        return inner
    if known.in_map:
        return {key: _fold_inner(element, known._replace(in_map=False), dialect) for key, element in inner.items()}
    return _fold(inner, known.struct, dialect)


@cache
def _fields(kind: type[Wire]) -> dict[str, _Field]:
    hints = get_type_hints(kind)
    return {
        known.encode_name.lower(): _Field(
            known.encode_name, *_struct_in(hints[known.name]), _is_of_texts(hints[known.name])
        )
        for known in msgspec.structs.fields(kind)
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


def _is_of_texts(hint: Any) -> bool:
    kinds = get_args(hint) if get_origin(hint) in (Union, UnionType) else (hint,)
    return list[str] in kinds or dict[str, str] in kinds


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
