"""Everything that an agent has, as one file to keep elsewhere: pure.

A gzip file; in it a line that says what it is, the SHA-256 of what follows, and that as MessagePack: the index, and the
rows as they are kept on the disk.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from muster.agent.store.coding import Coded

_MARK: Final = b"muster snapshot 1\n"
_DIGEST: Final = hashlib.sha256().digest_size
_LARGEST: Final = 1 << 30
"""Bytes that a snapshot may unpack to: a small file can be made to fill any memory."""


class Snapshot(NamedTuple):
    """Rows, and the index of the agent that had them."""

    last_index: int
    rows: list[Coded]


class BadSnapshot(Exception):
    """What was given is no sound snapshot; the text says why."""


def packed(snapshot: Snapshot) -> bytes:
    """A snapshot as a file."""
    payload = msgspec.msgpack.encode(snapshot)
    return _compressed((_MARK, hashlib.sha256(payload).digest(), payload))


def unpacked(data: bytes) -> Snapshot:
    """What is in a file. Raises BadSnapshot, and believes no part of a file that is not as it was made."""
    content = _decompressed(data)
    if not content.startswith(_MARK):
        raise BadSnapshot("it is no snapshot of muster, or of another version")
    digest, payload = content[len(_MARK) :][:_DIGEST], content[len(_MARK) + _DIGEST :]
    if hashlib.sha256(payload).digest() != digest:
        raise BadSnapshot("its checksum is wrong")
    try:
        return msgspec.msgpack.decode(payload, type=Snapshot)
    except msgspec.DecodeError as error:
        raise BadSnapshot(f"it cannot be read: {error}") from None


def _compressed(parts: Iterable[bytes]) -> bytes:
    packer = zlib.compressobj(level=1, wbits=31)
    return b"".join((*map(packer.compress, parts), packer.flush()))


def _decompressed(data: bytes) -> bytes:
    unpacker = zlib.decompressobj(wbits=31)
    try:
        content = unpacker.decompress(data, _LARGEST)
    except zlib.error as error:
        raise BadSnapshot(f"failed to decompress it: {error}") from None
    if unpacker.unconsumed_tail:
        raise BadSnapshot("it is too large")
    if not unpacker.eof or unpacker.unused_data:
        raise BadSnapshot("it is cut off, or has something behind it")
    return content
