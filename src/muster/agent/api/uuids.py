"""Ids as Consul looks at them."""

from __future__ import annotations

import re

_DASHES = (8, 13, 18, 23)
_NO_HEX = re.compile(r"[^0-9a-fA-F]")


def uuid_complaint(text: str) -> str:
    """What is wrong with a UUID, in Consul's words; empty for nothing."""
    if len(text.encode()) != 36:
        return "uuid string is wrong length"
    if any(text[at] != "-" for at in _DASHES):
        return "uuid is improperly formatted"
    wrong = _NO_HEX.search("".join(part for at, part in enumerate(text) if at not in _DASHES))
    return f"encoding/hex: invalid byte: U+{ord(wrong[0]):04X} {wrong[0]!r}" if wrong else ""
