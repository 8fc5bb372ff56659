"""The way to the disk: in order, together, and not held up by what cannot be written."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.agent.store.test_tables import TOPIC, Fruit, Stage

from muster.agent.store.journal import Journal, keeping

pytestmark = pytest.mark.anyio


def put(stage: Stage, name: str, weight: float) -> None:
    with stage.tables.write() as write:
        write.put(stage.fruit, name, Fruit(name, weight=weight))
        write.topics.add(TOPIC)


async def kept(directory: Path) -> tuple[int, dict[object, Fruit]]:
    """What the next one finds: the last index, and the fruit."""
    stage = Stage()
    async with keeping(directory) as journal:
        stage.tables.load(journal.kept.rows)
        return journal.kept.last_index, stage.rows()[0]


def begun(journal: Journal) -> Stage:
    stage = Stage()
    stage.tables.journal = journal
    return stage


async def test_what_is_saved_is_on_the_disk(tmp_path: Path) -> None:
    async with keeping(tmp_path / "one") as journal:
        stage = begun(journal)
        assert not journal.is_behind
        assert await journal.saved()
        for number in range(100):
            put(stage, f"{number % 10}", number)
        assert (journal.position, journal.is_behind) == (100, True)
        assert await journal.saved()
        assert not journal.is_behind
    index, fruit = await kept(tmp_path / "one")
    assert index == stage.tables.index
    assert fruit == stage.rows()[0]


async def test_leaving_waits_for_what_nobody_waited_for(tmp_path: Path) -> None:
    async with keeping(tmp_path) as journal:
        put(begun(journal), "plum", 1.0)
    assert (await kept(tmp_path))[1] == {"plum": Fruit("plum", weight=1.0)}


async def test_what_is_taken_back_is_not_written(tmp_path: Path) -> None:
    async with keeping(tmp_path) as journal:
        stage = begun(journal)
        with pytest.raises(ZeroDivisionError), stage.tables.write() as write:
            write.put(stage.fruit, "plum", Fruit("plum"))
            raise ZeroDivisionError
        assert journal.position == 0
    assert await kept(tmp_path) == (0, {})


async def test_a_row_that_cannot_be_written_is_not_put_and_holds_up_nobody(tmp_path: Path) -> None:
    async with keeping(tmp_path) as journal:
        stage = begun(journal)
        with pytest.raises(UnicodeEncodeError):
            put(stage, "half a \ud800", 1.0)
        assert stage.rows()[0] == {}
        put(stage, "plum", 1.0)
        assert await journal.saved()
    assert (await kept(tmp_path))[1] == stage.rows()[0] == {"plum": Fruit("plum", weight=1.0)}
