"""A request as handlers see it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import NamedTuple
from urllib.parse import unquote, unquote_plus

import httptools

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


class Address(NamedTuple):
    """Where a request goes: the path decoded, the path as it was sent, and the query without its `?`."""

    path: str
    raw_path: bytes
    query: bytes


class Told(NamedTuple):
    """What a request's headers say to every endpoint: whether gzip is understood, and whether a namespace is named."""

    gzip: bool
    namespace: bool


def parse_target(target: bytes) -> Address | None:
    """The address in a request line, which has been through an HTTP parser; None where it is none."""
    if target.startswith(b"/"):  # as all clients write it; and httptools takes 64 KiB at most
        raw_path, _, query = target.partition(b"#")[0].partition(b"?")
    else:
        try:
            url = httptools.parse_url(target)
        except httptools.HttpParserInvalidURLError:
            return None
        raw_path, query = url.path or b"/", url.query or b""
    path = raw_path.decode("utf-8", "replace")
    return Address(unquote(path) if "%" in path else path, raw_path, query)


def told(headers: Iterable[tuple[bytes, bytes]]) -> Told:
    """What headers say that concerns every endpoint. Names are in lower case."""
    accepted, namespace = b"", False
    for name, value in headers:
        if name == b"accept-encoding":
            accepted = accepted or value
        elif name == b"x-consul-namespace":
            namespace = namespace or bool(value)
    return _TOLD[_names_gzip(accepted), namespace]


_TOLD = {(gzip, namespace): Told(gzip, namespace) for gzip in (False, True) for namespace in (False, True)}


@lru_cache(maxsize=256)
def _names_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding names gzip, and where it names it last with a weight above 0; `*` does not."""
    named = False
    for part in accepted.lower().split(b","):
        coding, *parameters = part.split(b";")
        if coding.strip() == b"gzip":
            named = all(_is_weight(each.strip()) for each in parameters)
    return named


def _is_weight(parameter: bytes) -> bool:
    """Whether a parameter of a coding lets it be used: no weight, or one above 0."""
    name, _, weight = parameter.partition(b"=")
    if name != b"q":
        return True
    try:
        return weight == weight.strip() and float(weight) > 0
    except ValueError:
        return False
