"""What was written is brought to the disk by a thread, in order, as many writes at a time as came meanwhile.

A write is in effect in memory at once, and on the disk a little later; `saved` waits for that. While the disk cannot be
written, `failing` says why; what is to be saved is kept and tried again until it works.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from queue import Empty, SimpleQueue

from muster.agent.store.coding import Coded, coded
from muster.agent.store.file import Kept, StoreFile
from muster.agent.store.write import Write

_TRY_AGAIN = 0.5
"""Seconds between attempts while the disk cannot be written."""

_GATHER = 0.001
"""Seconds in which further writes may join. Registering over 16 connections, commits had 4 writes each without, at
twice the processor time for a write."""

_log = logging.getLogger("muster.agent.store")


@dataclass(frozen=True, slots=True)
class _Written:
    """A write on its way to the disk. Positions count writes."""

    position: int
    index: int
    rows: list[Coded]


class Journal:
    """The way to the disk. For one event loop, but for the thread's own part."""

    def __init__(self, file: StoreFile, kept: Kept) -> None:
        self.kept = kept
        self.file = file
        self.failing = ""
        """Why the disk cannot be written; empty while it can."""
        self._loop = asyncio.get_running_loop()
        self._queue: SimpleQueue[_Written | None] = SimpleQueue()
        self._position = 0
        self._saved = 0
        self._waiting: deque[tuple[int, Callable[[bool], None]]] = deque()

    @property
    def position(self) -> int:
        """How many writes there have been."""
        return self._position

    @property
    def is_behind(self) -> bool:
        """Whether something was written that is not on the disk yet."""
        return self._saved < self._position

    def forget(self) -> None:
        """Let go of the rows that were kept: they are in the tables now."""
        self.kept = self.kept._replace(rows=())

    def append(self, write: Write) -> None:
        """Bring a write to the disk. Never blocks. Raises what coding its rows does; nothing is written then."""
        rows = [coded(change.table.name, change.key, change.after) for change in write.changes]
        self._position += 1
        self._queue.put(_Written(self._position, write.index, rows))

    def when_saved(self, tell: Callable[[bool], None]) -> None:
        """Have `tell` called, later, once all that has been written by now is on the disk, or with False once it is
        known that it cannot be written. Only while it is not failing and behind: else nobody would call."""
        self._waiting.append((self._position, tell))

    async def saved(self) -> bool:
        """Wait until all that has been written by now is on the disk. False if the disk cannot be written."""
        if self.failing:
            return False
        if not self.is_behind:
            return True
        future: asyncio.Future[bool] = self._loop.create_future()
        self.when_saved(partial(_tell, future))
        return await future

    def close(self) -> None:
        """Let the thread end once all is on the disk, or cannot be brought there."""
        self._queue.put(None)

    def _succeeded(self, position: int) -> None:
        if self.failing:
            _log.info("the data directory can be written again; nothing is left to be written")
        self.failing = ""
        self._saved = position
        while self._waiting and self._waiting[0][0] <= position:
            self._waiting.popleft()[1](True)

    def _failed(self, why: str) -> None:
        if not self.failing:
            _log.error("the data directory cannot be written, and nothing is registered until it can: %s", why)
        self.failing = why
        while self._waiting:
            self._waiting.popleft()[1](False)

    # The thread's part

    def run(self) -> None:
        """Bring to the disk what is appended, until `close`."""
        unsaved = _Unsaved()
        while not unsaved.closing:
            unsaved.take(self._queue)
            self._save(unsaved)

    def _save(self, unsaved: _Unsaved) -> None:
        if not unsaved.rows:
            return
        try:
            self.file.save(unsaved.index, unsaved.rows.values())
        except Exception as error:  # whatever it is, nobody may wait for ever, and it may pass
            if unsaved.closing:
                _log.error("what was written last is not on the disk: %s", error)
            self._loop.call_soon_threadsafe(self._failed, str(error) or repr(error))
        else:
            unsaved.rows.clear()
            self._loop.call_soon_threadsafe(self._succeeded, unsaved.position)


class _Unsaved:
    """What is to be saved next: of each row only what it has become."""

    def __init__(self) -> None:
        self.rows: dict[tuple[str, bytes], Coded] = {}
        self.position = 0
        self.index = 0
        self.closing = False
        self._taken = 0

    def take(self, queue: SimpleQueue[_Written | None]) -> None:
        """Wait for something to save, or where something is left of last time only so long, and take all there is.

        Where several writes came together before, more are about to: a moment's patience halves what they cost."""
        several, self._taken = self._taken > 1, 0
        try:
            self._add(queue.get(timeout=_TRY_AGAIN if self.rows else None))
            if several:
                time.sleep(_GATHER)
            while True:
                self._add(queue.get_nowait())
        except Empty:
            pass

    def _add(self, written: _Written | None) -> None:
        if written is None:
            self.closing = True
            return
        self._taken += 1
        self.position, self.index = written.position, max(self.index, written.index)
        self.rows.update(((row.table, row.key), row) for row in written.rows)


def _tell(future: asyncio.Future[bool], saved: bool) -> None:
    if not future.done():
        future.set_result(saved)


@asynccontextmanager
async def keeping(directory: str | os.PathLike[str]) -> AsyncIterator[Journal]:
    """What a directory has, and the way to keep more there. Raises BadConfiguration as StoreFile does.

    Leaving waits until all is on the disk, or cannot be brought there.
    """
    file = StoreFile(directory)
    await asyncio.to_thread(file.__enter__)
    try:
        journal = Journal(file, await asyncio.to_thread(file.read))
        thread = threading.Thread(target=journal.run, name="muster agent journal", daemon=True)
        thread.start()
        try:
            yield journal
        finally:
            journal.close()
            await asyncio.to_thread(thread.join)
    finally:
        await asyncio.to_thread(file.close)
