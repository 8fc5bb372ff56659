"""Keys as they are written in files, as the structs have them.

Consul takes `tls_skip_verify` and `TLSSkipVerify` for the same key; so does this.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from functools import cache
from types import UnionType
from typing import Any, NamedTuple, Union, get_args, get_origin, get_type_hints

from msgspec import Struct
from msgspec.structs import fields

from muster.agent.config.keys import IGNORED, ONE_OR_MORE, OTHER_NAMES, ConfigFile
from muster.model.errors import BadConfiguration


class Spelled(NamedTuple):
    """A file's content with the keys that structs have, and the keys that mean nothing here, with where they are."""

    content: dict[str, Any]
    ignored: tuple[str, ...]


class _Key(NamedTuple):
    encoded: str
    name: str
    struct: type[Struct] | None
    is_map: bool


def spelled(content: Mapping[str, Any], file: str) -> Spelled:
    """What `file` says, ready to be converted to a ConfigFile. Raises BadConfiguration for a key that nobody knows."""
    ignored: list[str] = []
    found = _spell(content, ConfigFile, _Place(file, ""), ignored)
    for key in ONE_OR_MORE & found.keys():
        found[key] = found[key] if isinstance(found[key], list) else [found[key]]
    return Spelled(found, tuple(ignored))


class _Place(NamedTuple):
    file: str
    path: str

    def below(self, step: str) -> _Place:
        return self._replace(path=f"{self.path}.{step}" if self.path else step)


def _spell(content: Mapping[str, Any], kind: type[Struct], place: _Place, ignored: list[str]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for written, value in content.items():
        key = _keys(kind).get(_plain(written))
        if key is not None:
            if value is not None:
                found[key.encoded] = _spell_value(value, key, place.below(key.name), ignored)
        elif _plain(written) in _ignored(kind):
            ignored.append(place.below(written).path)
        else:
            raise _unknown(place, written, kind)
    return found


def _spell_value(value: Any, key: _Key, place: _Place, ignored: list[str]) -> Any:
    if key.struct is None:
        return value
    if isinstance(value, list):
        return [_spell_value(each, key, _numbered(place, n), ignored) for n, each in enumerate(value, 1)]
    if not isinstance(value, dict):
        return value  # the conversion says what is wrong with it
    if key.is_map:
        inner = key._replace(is_map=False)
        return {name: _spell_value(each, inner, place.below(name), ignored) for name, each in value.items()}
    return _spell(value, key.struct, place, ignored)


def _numbered(place: _Place, number: int) -> _Place:
    return place._replace(path=f"{place.path}[{number}]")


def _unknown(place: _Place, written: str, kind: type[Struct]) -> BadConfiguration:
    where = f"{place.file}: {place.path}" if place.path else place.file
    near = _nearest(written, (key.name for key in _keys(kind).values()))
    return BadConfiguration(f"{where}: unknown key {written!r}" + (f"; did you mean {near!r}?" if near else ""))


def _nearest(written: str, known: Iterable[str]) -> str | None:
    """The known key that looks most like `written`, None where none looks like it."""
    by_plain = {_plain(name): name for name in known}
    found = get_close_matches(_plain(written), by_plain, n=1, cutoff=0.6)
    return by_plain[found[0]] if found else None


def _plain(key: str) -> str:
    return key.replace("_", "").lower()


@cache
def _ignored(kind: type[Struct]) -> frozenset[str]:
    return frozenset(map(_plain, IGNORED.get(kind, ())))


@cache
def _keys(kind: type[Struct]) -> dict[str, _Key]:
    hints = get_type_hints(kind)
    keys = {field.name: _Key(field.encode_name, field.name, *_struct_in(hints[field.name])) for field in fields(kind)}
    others = {other: keys[name] for other, name in OTHER_NAMES.get(kind, {}).items()}
    return {_plain(name): key for name, key in (keys | others).items()}


def _struct_in(hint: Any) -> tuple[type[Struct] | None, bool]:
    """The struct in a type, if any: itself, in a list, in a map, or one of several; and whether it is in a map."""
    if isinstance(hint, type) and issubclass(hint, Struct):
        return hint, False
    if get_origin(hint) not in (list, dict, Union, UnionType):
        return None, False
    found = [_struct_in(part) for part in get_args(hint)]
    struct, in_map = next((each for each in found if each[0]), (None, False))
    return struct, in_map or (struct is not None and get_origin(hint) is dict)
