"""Rows and their keys as bytes: MessagePack, with the names of the fields, so that fields may be added."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

import msgspec

from muster.agent.store.write import Key, Table


class Coded(NamedTuple):
    """A row as it is kept; `row` is None for one that is removed."""

    table: str
    key: bytes
    row: bytes | None


class Undecodable(Exception):
    """What is kept is no row of a table that there is; the text says which and why."""


_encode = msgspec.msgpack.Encoder().encode
_decode_key = msgspec.msgpack.Decoder(str | list[str]).decode


def coded(table: str, key: Key, row: Any) -> Coded:
    """A row with its key as bytes."""
    return Coded(table, _encode(key), None if row is None else _encode(row))


def decoded(tables: Mapping[str, Table], rows: Iterable[Coded]) -> dict[str, list[tuple[Key, Any]]]:
    """Rows by table. Raises Undecodable, and then none is to be used."""
    decoders = {name: msgspec.msgpack.Decoder(table.row).decode for name, table in tables.items()}
    found: dict[str, list[tuple[Key, Any]]] = {}
    for table, key, row in rows:
        decode = decoders.get(table)
        if decode is None or row is None:
            raise Undecodable(f"it has rows of {table!r}, which this version does not know")
        try:
            found.setdefault(table, []).append((_key(key), decode(row)))
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise Undecodable(f"a row of {table!r} cannot be read: {error}") from None
    return found


def _key(data: bytes) -> Key:
    key = _decode_key(data)
    return key if isinstance(key, str) else tuple(key)
