"""Hashes that are the same in every process and on every machine, so that clients agree where a key belongs."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b
from struct import Struct

BITS = 64
MASK = (1 << BITS) - 1
_WORDS = Struct("<8Q")


def hash_of(text: str) -> int:
    """64 bits. Python's own `hash` differs from process to process; crc32 maps similar keys to similar places."""
    return int.from_bytes(blake2b(text.encode(errors="surrogatepass"), digest_size=8).digest(), "little")


@lru_cache(maxsize=20_000)
def points_of(text: str, count: int) -> tuple[int, ...]:
    """`count` numbers of 64 bits. The first of them are the same whatever the count."""
    points: list[int] = []
    for number in range(0, count, 8):
        points += _WORDS.unpack(blake2b(f"{number}/{text}".encode(errors="surrogatepass")).digest())
    return tuple(points[:count])
