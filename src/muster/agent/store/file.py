"""The file that an agent keeps everything in: one SQLite database in a directory of the agent's own.

What `save` returned from is on the disk: SQLite writes ahead (WAL) and waits for the disk at each commit. Rows are kept
as they are coded, under their table and key, so that a further table needs nothing here.
"""

from __future__ import annotations

import fcntl
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Final, NamedTuple, Self

from muster.agent.store.coding import Coded
from muster.model.errors import BadConfiguration

FORMAT: Final = 1
"""What this version writes. A change that an older one would misread takes the next number."""

_APPLICATION: Final = 0x6D757374
"""SQLite's mark of whose a file is: "must"."""

_LOG_BYTES: Final = 16 << 20
"""What SQLite's log is cut to after a burst."""


class Kept(NamedTuple):
    """What a file had when it was opened. `facts` are single values by name, such as the node's id."""

    last_index: int
    facts: Mapping[str, str]
    rows: tuple[Coded, ...]


class StoreFile:
    """An open file, which no other process has. Blocks; for one thread at a time."""

    def __init__(self, directory: str | os.PathLike[str]) -> None:
        self._directory = Path(directory)
        self._path = self._directory / "agent.db"
        self._lock = -1
        self._database: sqlite3.Connection | None = None

    def __enter__(self) -> Self:
        """Open it, or begin a new one. Raises BadConfiguration, and leaves what is there as it is, where that is not a
        sound file of this or an earlier version, another agent has it, or it cannot be written."""
        try:
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._lock = _locked(self._directory)
            self._database = _opened(self._path)
        except FileExistsError:
            raise BadConfiguration(f"data directory {self._directory}: this is a file, not a directory") from None
        except OSError as error:
            self.close()
            raise BadConfiguration(f"data directory {self._directory}: {error.strerror or error}") from None
        except sqlite3.Error as error:
            self.close()
            raise _unusable(self._path, f"it is damaged, or no database: {error}") from None
        except BadConfiguration:
            self.close()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Give the file back. What was saved stays."""
        if self._database is not None:
            with suppress(sqlite3.Error):  # a full disk: the log stays, and is read at the next start
                self._database.close()
            self._database = None
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    def read(self) -> Kept:
        """Everything in it. Raises BadConfiguration where it is damaged."""
        try:
            facts = dict(self._open.execute("SELECT name, value FROM facts").fetchall())
            rows = tuple(Coded(*row) for row in self._open.execute("SELECT tbl, key, row FROM rows"))
            return Kept(int(facts.pop("index", "0")), facts, rows)
        except (sqlite3.Error, ValueError) as error:
            raise self.unusable(f"it is damaged: {error}") from None

    def save(self, index: int, rows: Iterable[Coded]) -> None:
        """Store rows, remove those that are None, and remember the index, all or nothing; returns once that is on the
        disk. Raises sqlite3.Error, and then nothing was changed."""
        stored, removed = [], []
        for row in rows:
            removed.append(row[:2]) if row.row is None else stored.append(row)
        with _transaction(self._open) as database:
            database.executemany("INSERT OR REPLACE INTO rows VALUES (?, ?, ?)", stored)
            database.executemany("DELETE FROM rows WHERE tbl = ? AND key = ?", removed)
            database.execute("INSERT OR REPLACE INTO facts VALUES ('index', ?)", (str(index),))

    def remember(self, name: str, value: str) -> None:
        """Keep a fact. Raises BadConfiguration where that cannot be written."""
        try:
            with _transaction(self._open) as database:
                database.execute("INSERT OR REPLACE INTO facts VALUES (?, ?)", (name, value))
        except sqlite3.Error as error:
            raise BadConfiguration(f"data directory {self._directory} cannot be written: {error}") from None

    def unusable(self, why: str) -> BadConfiguration:
        """The error that says so, and what to do."""
        return _unusable(self._path, why)

    @property
    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            raise RuntimeError("the file is not open: enter it first")
        return self._database


@contextmanager
def _transaction(database: sqlite3.Connection) -> Iterator[sqlite3.Connection]:
    """All or nothing. Rolls back whatever the error was, so that the next one can begin."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield database
        database.execute("COMMIT")
    finally:
        if database.in_transaction:
            database.execute("ROLLBACK")


def _unusable(path: Path, why: str) -> BadConfiguration:
    return BadConfiguration(f"{path} cannot be used: {why}. It was left as it is; move it away to begin anew")


def _locked(directory: Path) -> int:
    """The lock of a directory, held until the descriptor is closed, or the process ends however it does."""
    lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = os.read(lock, 32).decode("ascii", "replace").strip()
        os.close(lock)
        raise BadConfiguration(
            f"data directory {directory} is in use by another agent (process {holder or 'unknown'}): "
            "each agent needs a directory of its own"
        ) from None
    os.ftruncate(lock, 0)
    os.write(lock, b"%d\n" % os.getpid())
    return lock


def _opened(path: Path) -> sqlite3.Connection:
    if not path.exists():
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    database = sqlite3.connect(
        f"{path.absolute().as_uri()}?mode=rw", uri=True, isolation_level=None, check_same_thread=False
    )
    try:
        new = _is_empty(database)
        if not new:
            _require_sound(database, path)
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = FULL")
        database.execute(f"PRAGMA journal_size_limit = {_LOG_BYTES}")
        if new:
            _begin(database)
    except BaseException:
        database.close()
        raise
    return database


def _is_empty(database: sqlite3.Connection) -> bool:
    return not _pragma(database, "application_id") and not database.execute("SELECT * FROM sqlite_master").fetchall()


def _require_sound(database: sqlite3.Connection, path: Path) -> None:
    if _pragma(database, "application_id") != _APPLICATION:
        raise _unusable(path, "it is the database of something else")
    version = _pragma(database, "user_version")
    if version != FORMAT:
        raise _unusable(path, f"it has format {version}, and this version of muster reads format {FORMAT}")
    (sound,) = database.execute("PRAGMA quick_check(1)").fetchone()
    if sound != "ok":
        raise _unusable(path, f"it is damaged: {sound}")


def _begin(database: sqlite3.Connection) -> None:
    with _transaction(database):
        database.execute("CREATE TABLE rows (tbl TEXT, key BLOB, row BLOB, PRIMARY KEY (tbl, key)) WITHOUT ROWID")
        database.execute("CREATE TABLE facts (name TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID")
        database.execute(f"PRAGMA application_id = {_APPLICATION}")
        database.execute(f"PRAGMA user_version = {FORMAT}")


def _pragma(database: sqlite3.Connection, name: str) -> int:
    (value,) = database.execute(f"PRAGMA {name}").fetchone()
    return int(value)
