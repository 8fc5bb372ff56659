"""The file on disk: what it keeps, and what it is not taken for."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import pytest

from muster.agent.store.coding import Coded
from muster.agent.store.file import FORMAT, StoreFile
from muster.model.errors import BadConfiguration

ROW = Coded("pairs", b"key", b"value")


def filled(directory: Path) -> Path:
    with StoreFile(directory) as file:
        file.save(7, [ROW, Coded("pairs", b"gone", b"x")])
        file.save(8, [Coded("pairs", b"gone", None)])
        file.remember("node id", "n")
    return directory / "agent.db"


def test_what_was_saved_is_read(tmp_path: Path) -> None:
    with StoreFile(tmp_path / "new" / "deep") as file:
        assert file.read() == (0, {}, ())
    filled(tmp_path)
    with StoreFile(tmp_path) as file:
        assert file.read() == (8, {"node id": "n"}, (ROW,))


def test_only_its_owner_can_read_it(tmp_path: Path) -> None:
    filled(tmp_path / "data")
    modes = {path.name: path.stat().st_mode & 0o777 for path in [tmp_path / "data", *(tmp_path / "data").iterdir()]}
    assert modes["data"] == 0o700
    assert {mode for name, mode in modes.items() if name != "data"} == {0o600}


def test_a_save_that_fails_changes_nothing(tmp_path: Path) -> None:
    with StoreFile(tmp_path) as file:
        file.save(1, [ROW])
        with pytest.raises(sqlite3.Error):
            file.save(2, [Coded("pairs", b"key", b"other"), Coded("pairs", ["no key"], b"x")])  # type: ignore[arg-type]
        assert file.read() == (1, {}, (ROW,))
        file.save(3, [])
        assert file.read().last_index == 3


def test_a_directory_belongs_to_one_agent(tmp_path: Path) -> None:
    with (
        StoreFile(tmp_path),
        pytest.raises(BadConfiguration, match=rf"in use by another agent \(process {os.getpid()}\)"),
    ):
        StoreFile(tmp_path).__enter__()
    filled(tmp_path)


def _newer(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute(f"PRAGMA user_version = {FORMAT + 1}")
    database.close()


def _foreign(path: Path) -> None:
    path.unlink()
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE theirs (x)")
    database.close()


def _text(path: Path) -> None:
    path.write_text("dear diary\n" * 1000)


def _cut(path: Path) -> None:
    os.truncate(path, path.stat().st_size - 4096)


def _scratched(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[4096:8192] = bytes(4096)
    path.write_bytes(data)


def _directory(path: Path) -> None:
    path.unlink()
    path.mkdir()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (_newer, f"it has format {FORMAT + 1}, and this version of muster reads format {FORMAT}"),
        (_foreign, "it is the database of something else"),
        (_text, "no database"),
        (_cut, "it is damaged"),
        (_scratched, "it is damaged"),
    ],
)
def test_what_is_no_sound_file_of_ours_is_refused_and_left_as_it_is(
    tmp_path: Path, spoil: Callable[[Path], None], why: str
) -> None:
    path = filled(tmp_path)
    spoil(path)
    before = path.read_bytes()
    with pytest.raises(BadConfiguration, match=why) as raised:
        StoreFile(tmp_path).__enter__().read()
    assert str(path) in str(raised.value) and "left as it is" in str(raised.value)
    assert path.read_bytes() == before


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(BadConfiguration, match=f"data directory {tmp_path}/file/data: Not a directory"):
        StoreFile(tmp_path / "file" / "data").__enter__()
    with pytest.raises(BadConfiguration, match=f"data directory {tmp_path}/file: this is a file, not a directory"):
        StoreFile(tmp_path / "file").__enter__()
    _directory(filled(tmp_path))
    with pytest.raises(BadConfiguration, match=r"agent\.db"):
        StoreFile(tmp_path).__enter__()
