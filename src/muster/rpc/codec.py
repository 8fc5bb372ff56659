"""JSON in and out, by type: msgspec.Struct, dataclass, TypedDict, builtin types, and pydantic models.

What JSON leaves open is decided here: of a name that comes twice in an object the last one counts, and NaN and
Infinity are no JSON (as a reply's value they become null, which a float does not take). Fields that a type does not
have are passed over, so that a newer caller can call an older service; a Struct with `forbid_unknown_fields` refuses.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import msgspec

from muster.model.errors import Rejected
from muster.rpc.contract import type_name


class Unfit(ValueError):
    """What was received is no JSON, or not of the type. The text has the field's path, as in `$.address.city`."""


class Codec:
    """Reads and writes values of one type. May be used by any thread."""

    def __init__(self, kind: Any) -> None:
        """Raises Rejected for a type that has no JSON form."""
        self.name = type_name(kind)
        try:
            schema([kind])
            self._decoder = msgspec.json.Decoder(kind, dec_hook=_build)
        except (TypeError, NameError, RecursionError) as error:
            raise Rejected(
                f"the type {self.name} has no JSON form: use msgspec.Struct, dataclasses, TypedDict, builtin types or "
                f"pydantic models ({error})"
            ) from error
        self.encode = msgspec.json.Encoder(enc_hook=_reduce).encode
        """The value as JSON. Raises TypeError, ValueError or RecursionError for what has no JSON form."""

    def decode(self, data: bytes) -> Any:
        """The value. Raises Unfit."""
        try:
            return self._decoder.decode(data)
        except msgspec.ValidationError as error:
            raise Unfit(f"{self.name}: {error}") from error
        except RecursionError:
            raise Unfit(f"{self.name}: the JSON is nested too deep") from None
        except ValueError as error:  # DecodeError, and UnicodeDecodeError for strings that are no UTF-8
            raise Unfit(f"{self.name}: {_no_json(data, error)}") from error


def schema(kinds: list[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """JSON Schemas of types (2020-12), in the same order, and the definitions that they refer to by `#/$defs/NAME`.

    Raises TypeError for a type that has none.
    """
    schemas, definitions = msgspec.json.schema_components(kinds, schema_hook=_model_schema)
    found: dict[str, Any] = {}
    return [_lifted(each, found) for each in schemas], {**_lifted(definitions, found), **found}


def _no_json(data: bytes, error: ValueError) -> str:
    if not data.strip():
        return "nothing was sent: expected JSON"
    return f"no JSON: {error}" if isinstance(error, UnicodeError) else str(error)


def _build(kind: Any, value: Any) -> Any:
    """msgspec's hook for types that it does not know. What is raised here it reports with the path."""
    if not _is_model(kind):
        raise TypeError(f"{type_name(kind)} has no JSON form")
    try:
        # Read as JSON, since pydantic takes a string for a date only there.
        return kind.model_validate_json(json.dumps(value))
    except ValueError as error:
        raise ValueError(_first(error)) from error


def _first(error: Any) -> str:
    """The first of pydantic's errors, in one line."""
    if not hasattr(error, "errors"):
        return str(error)
    each = error.errors(include_url=False, include_input=False)[0]
    path = ".".join(map(str, each["loc"]))
    return f"{path}: {each['msg']}" if path else str(each["msg"])


def _reduce(value: Any) -> Any:
    if _is_model(type(value)):
        return value.model_dump(mode="json")
    raise TypeError(f"{type_name(type(value))} has no JSON form")


def _model_schema(kind: Any) -> dict[str, Any]:
    if not _is_model(kind):
        raise TypeError(f"{type_name(kind)} has no JSON form")
    described: dict[str, Any] = kind.model_json_schema(ref_template="#/$defs/{model}")
    return described


def _is_model(kind: Any) -> bool:
    """Whether it is one of pydantic's, without loading pydantic for who does not use it."""
    pydantic = sys.modules.get("pydantic")
    return pydantic is not None and isinstance(kind, type) and issubclass(kind, pydantic.BaseModel)


def _lifted(value: Any, found: dict[str, Any]) -> Any:
    """A schema with the definitions of its parts moved into `found`: pydantic gives each model its own."""
    if isinstance(value, list):
        return [_lifted(each, found) for each in value]
    if not isinstance(value, dict):
        return value
    if isinstance(value.get("$defs"), dict):
        found.update({name: _lifted(each, found) for name, each in value["$defs"].items()})
    return {key: _lifted(each, found) for key, each in value.items() if key != "$defs"}
