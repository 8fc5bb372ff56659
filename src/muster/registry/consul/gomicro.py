"""What Go Micro hides in Consul tags: metadata and the version, as `t-` and `v-` with hex of zlib.

Its own readers never look at Meta, and its older writers never wrote it. Tags of foreign programs that only look alike
are left alone. https://github.com/micro/go-micro, registry/consul/encoding.go
"""

from __future__ import annotations

import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

_LARGEST = 64 * 1024
"""Bytes that a tag may unpack to. One pair of metadata is far smaller; a tag of 1 KB can claim to be 1 MB."""


@dataclass(frozen=True, slots=True)
class Hidden:
    """What the tags of one instance held."""

    version: str = ""
    metadata: Mapping[str, str] = field(default_factory=dict[str, str])


def decode(tags: Iterable[str]) -> Hidden:
    """What is hidden in `tags`; nothing where Go Micro did not write them. Never raises."""
    version = ""
    metadata: dict[str, str] = {}
    for tag in tags:
        kind, text = tag[:2], tag[2:]
        if kind in ("t-", "t="):
            metadata |= _pairs(_unpack(text) if kind == "t-" else text)
        elif kind in ("v-", "v=") and not version:
            version = _unpack(text) if kind == "v-" else text
    return Hidden(version, metadata)


def _unpack(text: str) -> str:
    """The text in hex of zlib, or nothing. Go flushes without always ending the stream, so its end is not asked for."""
    try:
        return zlib.decompressobj().decompress(bytes.fromhex(text), _LARGEST).decode()
    except (ValueError, zlib.error):
        return ""


def _pairs(text: str) -> dict[str, str]:
    try:
        pairs = json.loads(text)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(pairs, dict):
        return {}
    return {key: value for key, value in pairs.items() if isinstance(value, str)}
