"""All tables of an agent, and the sequence of indexes that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from muster.agent.catalog.topics import Topic
from muster.agent.store.coding import Coded, coded, decoded
from muster.agent.store.journal import Journal
from muster.agent.store.snapshot import Snapshot
from muster.agent.store.write import Key, Table, Write

Concluded = Callable[[Write], None]
KeptRows = Mapping[str, Sequence[tuple[Key, Any]]]
"""Keys and rows by table."""


class Tables:
    """Tables that are written together. Synchronous; one write at a time; no caller may await within one.

    `first_index` must be above every index that was given out before to the same clients: to a client that waits with
    a greater index than the present one no change is news. `wake` is told the topics of each write once it is done; it
    may write itself.
    """

    def __init__(self, first_index: int, wake: Callable[[Iterable[Topic]], None]) -> None:
        self._index = max(first_index, 1)
        self._wake = wake
        self._tables: dict[str, Table] = {}
        self._concluded: dict[str, Concluded] = {}
        self._of_agent: set[str] = set()
        self._under_way = False
        self.journal: Journal | None = None
        """Brings each write to the disk, where there is one."""

    @property
    def index(self) -> int:
        """The index of the last change, of whichever table."""
        return self._index

    def join(self, concluded: Concluded, *tables: Table, of_agent: bool = False) -> None:
        """Let tables take part. `concluded` is called after each write that changed one of them and moved the index,
        before anybody is woken. A table `of_agent` is kept on the disk, but is in no snapshot: it says what this agent
        itself looks after."""
        for table in tables:
            self._tables[table.name] = table
            self._concluded[table.name] = concluded
            if of_agent:
                self._of_agent.add(table.name)

    def load(self, kept: Iterable[Coded]) -> None:
        """Begin with rows that were kept, in tables that are empty. To readers everything is new, so that whoever waits
        with an index of before has an answer. Raises Undecodable."""
        rows = decoded(self._tables, kept)
        with self.write() as write:
            self._put_all(write, rows)

    def saved(self) -> Iterable[Coded]:
        """The rows of a snapshot, as they are now."""
        for name, table in self._shared().items():
            for key, row in table.rows():
                yield coded(name, key, row)

    def restore(self, write: Write, saved: Snapshot) -> None:
        """Put the rows of a snapshot in the place of all that there are, but for the tables of the agent. Raises
        Undecodable; nothing is changed then."""
        shared = self._shared()
        rows = decoded(shared, saved.rows)
        write.index = max(write.index, saved.last_index + 1)
        for table in reversed(shared.values()):
            for key in [key for key, _ in table.rows()]:
                write.put(table, key, None)
        self._put_all(write, rows)

    def _shared(self) -> dict[str, Table]:
        return {name: table for name, table in self._tables.items() if name not in self._of_agent}

    def _put_all(self, write: Write, rows: KeptRows) -> None:
        for name, table in self._tables.items():
            for key, row in rows.get(name, ()):
                write.put(table, key, row)
        write.everything = True

    def write(self) -> Write:
        """A new write, for `with`: done when the block ends, taken back if it raises."""
        if self._under_way:
            raise RuntimeError("a write is under way: two at once would take the same index")
        self._under_way = True
        return Write(self._index + 1, self._end)

    def _end(self, write: Write) -> None:
        self._under_way = False
        if write.changes and self.journal is not None:
            self._append(write, self.journal)
        if write.topics or write.everything:
            self._index = write.index
            for concluded in self._concerned(write):
                concluded(write)
            self._wake(write.topics)

    @staticmethod
    def _append(write: Write, journal: Journal) -> None:
        """A write that cannot be kept is not made: one row that is no MessagePack must not hold up all that follow."""
        try:
            journal.append(write)
        except BaseException:
            write.take_back()
            raise

    def _concerned(self, write: Write) -> Iterable[Concluded]:
        if write.everything:
            return dict.fromkeys(self._concluded.values())
        return dict.fromkeys(self._concluded[change.table.name] for change in write.changes)
