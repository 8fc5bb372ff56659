"""The table of config entries, by Consul's rules: each write is a change, also of what is there already."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from muster.agent.catalog.rows import NO_STAMP, Stamp
from muster.agent.catalog.topics import Topic
from muster.agent.store.rows import Rows
from muster.agent.store.tables import Tables
from muster.agent.store.write import Write


@dataclass(frozen=True, slots=True)
class ConfigEntry:
    """`fields` as Consul writes them, kind and name among them, without indexes."""

    kind: str
    name: str
    fields: Mapping[str, Any]
    stamp: Stamp = field(default=NO_STAMP, compare=False)


def entry_of(kind: str, name: str) -> Topic:
    """One entry."""
    return ("config entry", f"{kind}/{name.lower()}")


def entries_of(kind: str) -> Topic:
    """All entries of a kind, or with an empty one of every kind."""
    return ("config entries", kind)


class ConfigEntries:
    """Entries by kind and name; names match without regard to case. Synchronous; every write is done when it returns.

    All entries share the index of the last change of any, as in Consul.
    """

    def __init__(self, tables: Tables) -> None:
        self.index = 1
        self._tables = tables
        self._rows: Rows[tuple[str, ...], ConfigEntry] = Rows("config entries", ConfigEntry)
        tables.join(self._concluded, self._rows)

    def get(self, kind: str, name: str) -> ConfigEntry | None:
        return self._rows.get((kind, name.lower()))

    def of(self, kind: str) -> list[ConfigEntry]:
        """The entries of a kind, or with an empty one of every kind, by kind and name."""
        return [row for key, row in sorted(self._rows.rows()) if kind in ("", key[0])]

    def put(self, kind: str, name: str, fields: Mapping[str, Any], index: int | None = None) -> bool:
        """Write an entry, with `index` only if it was last changed at that or, with 0, is not there. Returns whether
        it was written."""
        if index is not None and index != self._index_of(kind, name):
            return False
        with self._tables.write() as write:
            old = self.get(kind, name)
            stamp = Stamp(old.stamp.created if old else write.index, write.index)
            self._put(write, kind, name, ConfigEntry(kind, name, fields, stamp))
        return True

    def delete(self, kind: str, name: str, index: int | None = None) -> bool:
        """Remove an entry, with `index` only if it was last changed at that. Returns whether it is gone."""
        if index is not None and index != self._index_of(kind, name):
            return False
        if self.get(kind, name) is not None:
            with self._tables.write() as write:
                self._put(write, kind, name, None)
        return True

    def _put(self, write: Write, kind: str, name: str, row: ConfigEntry | None) -> None:
        write.put(self._rows, (kind, name.lower()), row)
        write.topics.update((entry_of(kind, name), entries_of(kind), entries_of("")))

    def _index_of(self, kind: str, name: str) -> int:
        row = self.get(kind, name)
        return 0 if row is None else row.stamp.modified

    def _concluded(self, write: Write) -> None:
        self.index = write.index
