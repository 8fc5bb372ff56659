"""Numbers in parameters, as Go parses them."""

from __future__ import annotations

import re

from muster.agent.api.answer import Refused

_DIGITS = re.compile(r"[0-9]+")


def parse_uint(text: str) -> int:
    """A number of 64 bits without a sign. Raises Refused with Go's text."""
    if not _DIGITS.fullmatch(text):
        raise Refused(500, f'strconv.ParseUint: parsing "{text}": invalid syntax')
    number = int(text) if len(text) <= 20 else 2**64
    if number >= 2**64:
        raise Refused(500, f'strconv.ParseUint: parsing "{text}": value out of range')
    return number
