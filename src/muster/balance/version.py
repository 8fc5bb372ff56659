"""Which versions a requirement allows. Pure.

    1.2.0        that version; with or without a leading v
    1.x, 1.2.*   any that begins so; x alone: any version at all
    >=1.2,<2     all of these; also >, <=, ==, !=

Versions are ordered as numbers, missing ones counting as 0; what follows a hyphen comes before the release, by the
rules of https://semver.org/#spec-item-11, and what follows a plus does not count. `<2` leaves out 2.0.0-rc1 as well:
who asks for less than 2 does not expect the first of its candidates. A version that is no number fits only
its own spelling.
"""

from __future__ import annotations

import operator
import re
from collections.abc import Callable
from functools import lru_cache

from muster.model.errors import BadConfiguration

Matches = Callable[[str], bool]
Ordered = tuple[tuple[int, ...], bool, tuple[tuple[bool, int, str], ...]]
"""Its numbers; whether it is a release; else the parts of what follows the hyphen."""

_VERSION = re.compile(r"v?(\d+(?:\.\d+)*)(?:-([0-9A-Za-z.-]+))?(?:\+.*)?")
_PREFIX = re.compile(r"v?((?:\d+\.)*)[xX*]")
_COMPARISON = re.compile(r"(>=|<=|==|!=|>|<)\s*(.+)")
_COMPARE: dict[str, Callable[[Ordered, Ordered], bool]] = {
    ">=": operator.ge,
    "<=": operator.le,
    "==": operator.eq,
    "!=": operator.ne,
    ">": operator.gt,
    "<": operator.lt,
}


@lru_cache(maxsize=256)
def requirement(text: str) -> Matches:
    """The function that tells whether a version fits. Raises BadConfiguration for what is no requirement."""
    parts = [_part(part.strip(), text) for part in text.split(",")]
    return lambda version: all(part(version) for part in parts)


def _part(part: str, whole: str) -> Matches:
    if comparison := _COMPARISON.fullmatch(part):
        return _comparison(comparison[1], comparison[2], whole)
    if prefix := _PREFIX.fullmatch(part):
        return _prefix(tuple(int(number) for number in prefix[1].split(".") if number))
    if not part or part[0] in "<>=!~^":
        raise BadConfiguration(f"version {whole!r}: write 1.2.0, 1.x, or comparisons as in '>=1.2,<2'")
    return _exactly(part)


def _exactly(wanted: str) -> Matches:
    order = _ordered(wanted)
    return lambda version: version == wanted or (order is not None and _ordered(version) == order)


def _prefix(wanted: tuple[int, ...]) -> Matches:
    def fits(version: str) -> bool:
        order = _ordered(version)
        return order is not None and (*order[0], *(0,) * len(wanted))[: len(wanted)] == wanted

    return fits


def _comparison(sign: str, wanted: str, whole: str) -> Matches:
    bound = _ordered(wanted)
    if bound is None:
        raise BadConfiguration(f"version {whole!r}: {wanted!r} is no version that can be compared")
    compare = _COMPARE[sign]

    def fits(version: str) -> bool:
        order = _ordered(version)
        if order is None or (sign == "<" and order[0] == bound[0]):
            return order is not None and compare(order, bound) and not bound[1]
        return compare(order, bound)

    return fits


@lru_cache(maxsize=1024)
def _ordered(version: str) -> Ordered | None:
    """What orders versions; None for one that has no numbers."""
    match = _VERSION.fullmatch(version.strip())
    if match is None:
        return None
    numbers = [int(number) for number in match[1].split(".")]
    while numbers and not numbers[-1]:
        numbers.pop()
    early = tuple(_identifier(part) for part in (match[2] or "").split(".") if part)
    return tuple(numbers), not early, early


def _identifier(text: str) -> tuple[bool, int, str]:
    return (False, int(text), "") if text.isdigit() else (True, 0, text)
