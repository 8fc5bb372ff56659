"""One change of what the agent holds, across as many tables as it takes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, NamedTuple, Protocol, Self

from muster.agent.catalog.topics import Topic

Key = str | tuple[str, ...]
"""What a row is found by."""


class Table(Protocol):
    """Rows by key; the package says how a table joins in. Synchronous; its methods do not raise."""

    @property
    def name(self) -> str:
        """What it is called in files; never changes."""
        ...

    @property
    def row(self) -> type[Any]:
        """The type of its rows: an immutable one."""
        ...

    def rows(self) -> Iterable[tuple[Any, Any]]:
        """Every key with its row."""
        ...

    def place(self, key: Any, row: Any, /) -> Any:
        """Store a row as it is, or with None remove it. Returns the row that was there before, or None."""
        ...


class Change(NamedTuple):
    """What became of one row; None where there is none."""

    table: Table
    key: Any
    before: Any
    after: Any


@dataclass(slots=True)
class Write:
    """Changes under way, all at one index, made within `with tables.write() as write` and without an await.

    `topics` are those concerned so far. A write without topics keeps the index where it is: nobody who reads with an
    index is to see it. With `everything`, whatever a reader can wait for is concerned.
    """

    index: int
    end: Callable[[Write], None]
    topics: set[Topic] = field(default_factory=set[Topic])
    changes: list[Change] = field(default_factory=list[Change])
    everything: bool = False

    def put(self, table: Table, key: Key, row: Any) -> None:
        """Store a row, or with None remove it."""
        self.changes.append(Change(table, key, table.place(key, row), row))

    def take_back(self) -> None:
        """Undo all changes so far: it is as if they had never been."""
        for table, key, before, _ in reversed(self.changes):
            table.place(key, before)
        self.changes.clear()
        self.topics.clear()
        self.everything = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is not None:
            self.take_back()
        self.end(self)
