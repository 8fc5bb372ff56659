"""What a value has to look like, and reading one as leniently as Consul does.

Consul decodes config entries with mapstructure, weakly: `5` is a string where one is expected, `"81"` a number, one
element a list of one, and a list of one its element. Problems are told in its words.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from muster.registry.consul.duration import format_duration, parse_duration

_TRUE = ("1", "t", "T", "TRUE", "true", "True")
_FALSE = ("", "0", "f", "F", "FALSE", "false", "False")


class BadShape(ValueError):
    """A value does not look as it has to; the text is Consul's."""


@dataclass
class Problems:
    """What was wrong, in the order in which it was found."""

    errors: list[str] = field(default_factory=list[str])
    unknown: list[str] = field(default_factory=list[str])

    def raise_any(self) -> None:
        if self.errors:
            listed = "\n".join(f"* {error}" for error in sorted(self.errors))
            raise BadShape(f"{len(self.errors)} error(s) decoding:\n\n{listed}")
        if self.unknown:
            count = "1 error" if len(self.unknown) == 1 else f"{len(self.unknown)} errors"
            listed = "".join(f"\t* {_unknown(key)}\n" for key in self.unknown)
            raise BadShape(f"{count} occurred:\n{listed}\n")


def _unknown(key: str) -> str:
    enterprise = ", namespaces are a consul enterprise feature" if key.lower() == "namespace" else ""
    return f'invalid config key "{key}"{enterprise}'


Read = Callable[[Any, str, Problems], Any]
"""Reads a value at a path. What it cannot read is a problem, and the result is then of no use."""


class Key(NamedTuple):
    """A key of a struct. One that is `empty` is written also where there is nothing, with that value."""

    name: str
    read: Read
    empty: Any = None
    always: bool = False


def text(value: Any, path: str, problems: Problems) -> str:
    value = _alone(value)
    if isinstance(value, dict | list):
        go = "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"
        problems.errors.append(f"'{path}' expected type 'string', got unconvertible type '{go}'")
        return ""
    if isinstance(value, bool):
        return "1" if value else "0"
    return value if isinstance(value, str) else json.dumps(value)


def flag(value: Any, path: str, problems: Problems) -> bool:
    value = _alone(value)
    if isinstance(value, str) and value not in _TRUE + _FALSE:
        why = f'strconv.ParseBool: parsing "{value}": invalid syntax'
        problems.errors.append(f"cannot parse '{path}' as bool: {why}")
    return value in _TRUE if isinstance(value, str) else bool(value)


def whole(value: Any, path: str, problems: Problems) -> int:
    return int(_number(value, path, problems, "int", int))


def decimal(value: Any, path: str, problems: Problems) -> float:
    return float(_number(value, path, problems, "float", float))


def duration(value: Any, path: str, problems: Problems) -> str:
    """As Go writes it; a number is nanoseconds."""
    try:
        seconds = parse_duration(_alone(value))
    except (TypeError, ValueError) as error:
        problems.errors.append(f"error decoding '{path}': {error}")
        return ""
    return format_duration(seconds) if seconds else ""


def anything(value: Any, path: str, problems: Problems) -> Any:
    """A map whose keys are nobody's business."""
    return dict(_as_map(value, path, problems))


def many(read: Read) -> Read:
    def read_list(value: Any, path: str, problems: Problems) -> list[Any]:
        values = value if isinstance(value, list) else [value]
        return [read(each, f"{path}[{at}]", problems) for at, each in enumerate(values)]

    return read_list


def by_name(read: Read) -> Read:
    def read_map(value: Any, path: str, problems: Problems) -> dict[str, Any]:
        return {name: read(each, f"{path}[{name}]", problems) for name, each in _as_map(value, path, problems).items()}

    return read_map


def struct(*keys: Key) -> Read:
    """A map with these keys and no others, in any case or in snake_case; null is "not given"."""
    known = {spelling: key for key in keys for spelling in (key.name.lower(), _snake(key.name))}

    def read_struct(value: Any, path: str, problems: Problems) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, inner in _exact_first(_as_map(value, path, problems)):
            key, inner_path = known.get(name.lower()), f"{path}.{name}" if path else name
            if key is None or key.name in found:
                problems.unknown.append(inner_path)
            elif inner is not None:
                found[key.name] = key.read(inner, f"{path}.{key.name}" if path else key.name, problems)
        return _written(keys, found)

    return read_struct


def _written(keys: tuple[Key, ...], found: Mapping[str, Any]) -> dict[str, Any]:
    return {key.name: found.get(key.name) or key.empty for key in keys if key.always or found.get(key.name)}


def _exact_first(values: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Of two spellings of one key the one in capitals counts."""
    return sorted(values.items(), key=lambda item: item[0][:1].islower())


def _as_map(value: Any, path: str, problems: Problems) -> Mapping[str, Any]:
    value = _alone(value)
    if isinstance(value, dict):
        return value
    kind = "slice" if isinstance(value, list) else "string" if isinstance(value, str) else _go_number(value)
    problems.errors.append(f"'{path}' expected a map, got '{kind}'")
    return {}


def _number(value: Any, path: str, problems: Problems, what: str, read: Callable[[str], float]) -> float:
    value = _alone(value)
    if isinstance(value, int | float):
        return value
    if isinstance(value, str):
        try:
            return read(value) if value else 0
        except ValueError:
            why = f'strconv.Parse{what.title()}: parsing "{value}": invalid syntax'
            problems.errors.append(f"cannot parse '{path}' as {what}: {why}")
            return 0
    go = "map[string]interface {}" if isinstance(value, dict) else "[]interface {}"
    problems.errors.append(f"'{path}' expected type '{what}', got unconvertible type '{go}'")
    return 0


def _alone(value: Any) -> Any:
    return value[0] if isinstance(value, list) and len(value) == 1 else value


def _go_number(value: Any) -> str:
    return "bool" if isinstance(value, bool) else "float64"


def _snake(name: str) -> str:
    """`ExternalSNI` is `external_sni`, `MeshGateway` `mesh_gateway`, `CAFile` `ca_file`."""
    snake = ""
    for at, letter in enumerate(name):
        after_lower = at and name[at - 1].islower()
        before_lower = at and name[at - 1].isupper() and name[at + 1 : at + 2].islower()
        snake += f"_{letter}" if letter.isupper() and (after_lower or before_lower) else letter
    return snake.lower()
