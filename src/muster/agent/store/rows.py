"""The plainest table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Generic, TypeVar

_Key = TypeVar("_Key", str, tuple[str, ...])
_Row = TypeVar("_Row")


class Rows(Generic[_Key, _Row]):
    """Rows that are looked up by key alone."""

    def __init__(self, name: str, row: type[_Row]) -> None:
        self.name = name
        self.row = row
        self._rows: dict[_Key, _Row] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: _Key) -> bool:
        return key in self._rows

    @property
    def by_key(self) -> Mapping[_Key, _Row]:
        """A live view."""
        return MappingProxyType(self._rows)

    def get(self, key: _Key) -> _Row | None:
        return self._rows.get(key)

    def rows(self) -> Iterable[tuple[_Key, _Row]]:
        return self._rows.items()

    def place(self, key: _Key, row: _Row | None) -> _Row | None:
        before = self._rows.get(key)
        if row is not None:
            self._rows[key] = row
        elif before is not None:
            del self._rows[key]
        return before
