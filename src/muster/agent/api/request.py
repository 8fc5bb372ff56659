"""A request as handlers see it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from urllib.parse import unquote_plus

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})")


class MalformedQuery(ValueError):
    """A `%` in the query without two hexadecimal digits behind it."""


class Params:
    """The parameters of a query: most count by presence, and the first of repeated values wins."""

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, tuple[str, ...]]) -> None:
        self._values = values

    def __contains__(self, name: str) -> bool:
        return name in self._values

    def first(self, name: str) -> str:
        """The first value, empty where there is none."""
        values = self._values.get(name)
        return values[0] if values else ""

    def sorted(self) -> list[tuple[str, str]]:
        """Every name with every value, by name."""
        return [(name, value) for name in sorted(self._values) for value in self._values[name]]

    def all(self, name: str) -> tuple[str, ...]:
        """Every value, in order."""
        return self._values.get(name, ())


KEPT_QUERY = 256
"""Bytes of a query string up to which what was read in it is kept: clients ask the same again and again."""


def parse_query(query: bytes) -> Params:
    """The parameters in a query string; `;` separates as `&` does. Raises MalformedQuery."""
    return _parse_once(query) if len(query) <= KEPT_QUERY else _parse(query)


@lru_cache(maxsize=2048)
def _parse_once(query: bytes) -> Params:
    return _parse(query)


def _parse(query: bytes) -> Params:
    if _MALFORMED.search(query):
        raise MalformedQuery
    values: dict[str, list[str]] = {}
    for part in re.split("[&;]", query.decode("latin-1")):
        if part:
            name, _, value = part.partition("=")
            values.setdefault(unquote_plus(name), []).append(unquote_plus(value))
    return Params({name: tuple(given) for name, given in values.items()})


@dataclass(frozen=True, slots=True)
class Request:
    """`rest` is what follows the route's path, decoded: the name or the id in `/v1/health/service/NAME`."""

    method: str
    rest: str
    params: Params
    query: bytes = b""
    body: bytes = b""
