"""All tables of an agent, and the sequence of indexes that they share."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from muster.agent.catalog.topics import Topic
from muster.agent.store.write import Table, Write

Concluded = Callable[[Write], None]


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
        self._under_way = False

    @property
    def index(self) -> int:
        """The index of the last change, of whichever table."""
        return self._index

    def join(self, concluded: Concluded, *tables: Table) -> None:
        """Let tables take part. `concluded` is called after each write that changed one of them and moved the index,
        before anybody is woken."""
        for table in tables:
            self._tables[table.name] = table
            self._concluded[table.name] = concluded

    def write(self) -> Write:
        """A new write, for `with`: done when the block ends, taken back if it raises."""
        if self._under_way:
            raise RuntimeError("a write is under way: two at once would take the same index")
        self._under_way = True
        return Write(self._index + 1, self._end)

    def _end(self, write: Write) -> None:
        self._under_way = False
        if not write.topics:
            return
        self._index = write.index
        for concluded in {self._concluded[change.table.name]: None for change in write.changes}:
            concluded(write)
        self._wake(write.topics)
