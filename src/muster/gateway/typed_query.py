"""Queries as the JSON value that a handler takes, by its JSON Schema. Pure.

    name=x                  text, a number, true or false, as the schema has it
    tags=a&tags=b           a list
    address.city=x          a field of an object within
    counts.apples=3         an entry of a map

What fits nothing is left as text: the service says what is wrong with it, and where.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NoReturn

import msgspec

from muster.grpc.mismatch import MAX_DEPTH
from muster.grpc.offer import JSONType
from muster.model.errors import Fault

Schema = Mapping[str, Any]

_BOOLS = {"true": True, "1": True, "false": False, "0": False}


def from_pairs(pairs: Iterable[tuple[str, str]], taken: JSONType) -> Any:
    """The value. Raises Fault INVALID_ARGUMENT, which names the parameter."""
    pairs = list(pairs)
    schemas = _Schemas(taken.definitions)
    if not pairs and "null" in schemas.types(taken.schema):
        return None
    if "object" not in schemas.types(taken.schema):
        _fault(f"a query is an object, and the method takes {taken.name}: send a POST with a JSON body")
    value: dict[str, Any] = {}
    for name, text in pairs:
        _put(value, schemas, taken.schema, name, name.split("."), text)
    return value


class _Schemas:
    """Reads schemas: references are followed, and of several that may do all are looked at."""

    def __init__(self, definitions: Mapping[str, Any]) -> None:
        self._definitions = definitions

    def each(self, schema: Schema, depth: int = 0) -> Iterator[Schema]:
        """The plain schemas that `schema` stands for."""
        if depth > MAX_DEPTH:
            return
        if "$ref" in schema:
            yield from self.each(self._definitions.get(schema["$ref"].removeprefix("#/$defs/"), {}), depth + 1)
        for kind in ("anyOf", "oneOf", "allOf"):
            for part in schema.get(kind, ()):
                yield from self.each(part, depth + 1)
        if not {"$ref", "anyOf", "oneOf", "allOf"} & schema.keys():
            yield schema

    def types(self, schema: Schema) -> set[str]:
        return {kind for each in self.each(schema) for kind in _types(each)}

    def field(self, schema: Schema, name: str) -> Schema | None:
        """What the field `name` of an object takes; None where it has none of that name."""
        for each in self.each(schema):
            if name in each.get("properties", {}):
                found: Schema = each["properties"][name]
                return found
            if isinstance(others := each.get("additionalProperties"), Mapping):
                return others
        return None

    def fields(self, schema: Schema) -> list[str]:
        return sorted({name for each in self.each(schema) for name in each.get("properties", {})})

    def items(self, schema: Schema) -> Schema:
        return next((each["items"] for each in self.each(schema) if isinstance(each.get("items"), Mapping)), {})


def _put(into: dict[str, Any], schemas: _Schemas, schema: Schema, name: str, path: list[str], text: str) -> None:
    if len(path) > MAX_DEPTH:
        _fault(f"parameter {name[:40] + '…'!r}: nested more than {MAX_DEPTH} levels deep")
    field = schemas.field(schema, path[0])
    if field is None:
        known = ", ".join(schemas.fields(schema)) or "none"
        _fault(f"parameter {name!r}: there is no field {path[0]!r}; there are: {known}")
    if len(path) > 1:
        if "object" not in schemas.types(field):
            _fault(f"parameter {name!r}: {path[0]!r} has no fields")
        _put(into.setdefault(path[0], {}), schemas, field, name, path[1:], text)
    elif "array" in schemas.types(field):
        into.setdefault(path[0], []).append(_scalar(schemas.types(schemas.items(field)), text))
    elif path[0] in into:
        _fault(f"parameter {name!r} is given twice")
    else:
        into[path[0]] = _scalar(schemas.types(field), text)


def _scalar(types: set[str], text: str) -> Any:
    if "boolean" in types and text.lower() in _BOOLS:
        return _BOOLS[text.lower()]
    if types & {"integer", "number"}:
        return _number(text)
    return None if "null" in types and "string" not in types and not text else text


def _number(text: str) -> Any:
    try:
        value = msgspec.json.decode(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, int | float) and not isinstance(value, bool) else text


def _types(schema: Schema) -> list[str]:
    kind = schema.get("type")
    if isinstance(kind, str):
        return [kind]
    if isinstance(kind, list):
        return kind
    values = [*schema.get("enum", ()), *([schema["const"]] if "const" in schema else ())]
    return ["integer" if isinstance(value, int) else "string" for value in values]


def _fault(text: str) -> NoReturn:
    raise Fault("INVALID_ARGUMENT", text)
