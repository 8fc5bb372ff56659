"""Durations as Go writes them, which Consul takes and gives: `10s`, `1m30s`, `1.5h`, `250ms`.

Source: Go's time.ParseDuration and Duration.String (https://pkg.go.dev/time).
"""

from __future__ import annotations

import re

_NANOSECONDS = {
    "ns": 1,
    "us": 10**3,
    "µs": 10**3,
    "μs": 10**3,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
_LARGEST = 2**63 - 1
_PART = re.compile(r"([0-9]*)(?:\.([0-9]*))?([^0-9.]*)")


def parse_duration(value: str | float) -> float:
    """Seconds from a Go duration string or, as Consul's JSON allows, from a number of nanoseconds.

    Raises ValueError with Go's own text for what is neither.
    """
    if isinstance(value, str):
        return _nanoseconds(value) / 1e9
    return value / 1e9


def format_duration(seconds: float) -> str:
    """Seconds as Go prints them: `1m30s`, `1.5s`, `250ms`, `0s`. Exact to the nanosecond."""
    nanoseconds = round(abs(seconds) * 1e9)
    sign = "-" if seconds < 0 and nanoseconds else ""
    return sign + (_below_a_second(nanoseconds) if nanoseconds < 10**9 else _from_a_second(nanoseconds))


def _below_a_second(nanoseconds: int) -> str:
    if nanoseconds == 0:
        return "0s"
    unit = next(unit for unit in ("ms", "µs", "ns") if nanoseconds >= _NANOSECONDS[unit])
    return _decimal(nanoseconds, _NANOSECONDS[unit]) + unit


def _from_a_second(nanoseconds: int) -> str:
    minutes, rest = divmod(nanoseconds, _NANOSECONDS["m"])
    hours, minutes = divmod(minutes, 60)
    lead = f"{hours}h{minutes}m" if hours else f"{minutes}m" if minutes else ""
    return f"{lead}{_decimal(rest, 10**9)}s"


def _decimal(value: int, unit: int) -> str:
    whole, fraction = divmod(value, unit)
    if not fraction:
        return str(whole)
    return f"{whole}.{str(fraction).zfill(len(str(unit)) - 1).rstrip('0')}"


def _nanoseconds(text: str) -> int:
    negative = text.startswith("-")
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return 0
    if not rest:
        raise ValueError(f'time: invalid duration "{text}"')
    total, position = 0, 0
    while position < len(rest):
        part = _PART.match(rest, position)
        assert part is not None, "the pattern matches the empty string"
        total += _part_nanoseconds(part, text)
        position = part.end()
    if total > _LARGEST:
        raise ValueError(f'time: invalid duration "{text}"')
    return -total if negative else total


def _part_nanoseconds(part: re.Match[str], text: str) -> int:
    whole, fraction, unit = part[1], part[2] or "", part[3]
    if not (whole or fraction) or len(whole) > 19:
        raise ValueError(f'time: invalid duration "{text}"')
    if not unit:
        raise ValueError(f'time: missing unit in duration "{text}"')
    size = _NANOSECONDS.get(unit)
    if size is None:
        raise ValueError(f'time: unknown unit "{unit}" in duration "{text}"')
    fraction = fraction[:18]
    return int(whole or 0) * size + (int(fraction) * size // 10 ** len(fraction) if fraction else 0)
