"""A write that spans tables: done whole or taken back whole, and what moves with it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import pytest

from muster.agent.catalog.topics import Topic
from muster.agent.store.coding import Coded, Undecodable, coded
from muster.agent.store.rows import Rows
from muster.agent.store.snapshot import Snapshot
from muster.agent.store.tables import Tables
from muster.agent.store.write import Write

TOPIC: Topic = ("fruit", "")


@dataclass(frozen=True)
class Fruit:
    name: str
    colours: tuple[str, ...] = ()
    weight: float = 0.0


class Stage:
    """Two tables of a snapshot, and one of the agent's own."""

    def __init__(self) -> None:
        self.woken: list[set[Topic]] = []
        self.concluded: list[int] = []
        self.tables = Tables(10, self.wake)
        self.fruit: Rows[str, Fruit] = Rows("fruit", Fruit)
        self.juice: Rows[tuple[str, ...], Fruit] = Rows("juice", Fruit)
        self.own: Rows[str, Fruit] = Rows("own", Fruit)
        self.tables.join(lambda write: self.concluded.append(write.index), self.fruit, self.juice)
        self.tables.join(lambda write: None, self.own, of_agent=True)

    def wake(self, topics: Iterable[Topic]) -> None:
        self.woken.append(set(topics))

    def rows(self) -> list[dict[object, Fruit]]:
        return [dict(table.rows()) for table in (self.fruit, self.juice, self.own)]


@pytest.fixture
def stage() -> Stage:
    stage = Stage()
    with stage.tables.write() as write:
        write.put(stage.fruit, "apple", Fruit("apple", ("red",)))
        write.put(stage.juice, ("a", "b"), Fruit("mixed"))
        write.put(stage.own, "mine", Fruit("mine"))
        write.topics.add(TOPIC)
    return stage


def change_all(stage: Stage, write: Write) -> None:
    write.put(stage.fruit, "apple", Fruit("apple", ("green",)))
    write.put(stage.fruit, "pear", Fruit("pear"))
    write.put(stage.fruit, "pear", None)
    write.put(stage.fruit, "apple", None)
    write.put(stage.juice, ("a", "b"), None)
    write.topics.add(TOPIC)


def test_a_write_takes_one_index_and_tells_when_it_is_done(stage: Stage) -> None:
    with stage.tables.write() as write:
        change_all(stage, write)
        assert stage.tables.index == 11
    assert (stage.tables.index, stage.concluded, stage.woken) == (12, [11, 12], [{TOPIC}, {TOPIC}])
    assert stage.rows() == [{}, {}, {"mine": Fruit("mine")}]


def test_a_write_that_raises_never_was(stage: Stage) -> None:
    before = stage.rows()
    with pytest.raises(ZeroDivisionError), stage.tables.write() as write:
        change_all(stage, write)
        raise ZeroDivisionError
    assert stage.rows() == before
    assert (stage.tables.index, stage.concluded, stage.woken) == (11, [11], [{TOPIC}])


def test_a_write_without_topics_moves_no_index(stage: Stage) -> None:
    with stage.tables.write() as write:
        write.put(stage.own, "mine", None)
    assert (stage.tables.index, len(stage.woken), stage.rows()[2]) == (11, 1, {})


def test_two_writes_at_once_are_a_fault(stage: Stage) -> None:
    with stage.tables.write(), pytest.raises(RuntimeError, match="under way"):
        stage.tables.write()
    with stage.tables.write():
        """The next one is fine."""


def test_what_was_saved_is_what_is_loaded(stage: Stage) -> None:
    other = Stage()
    other.tables.load([*stage.tables.saved(), coded("own", "mine", Fruit("mine"))])
    assert other.rows() == stage.rows()
    assert (other.tables.index, other.concluded) == (11, [11])


def test_a_snapshot_takes_the_place_of_all_but_the_agents_own(stage: Stage) -> None:
    saved = list(stage.tables.saved())
    with stage.tables.write() as write:
        change_all(stage, write)
        write.put(stage.fruit, "plum", Fruit("plum"))
        write.put(stage.own, "mine", Fruit("still mine"))
    with stage.tables.write() as write:
        stage.tables.restore(write, Snapshot(5, saved))
    assert stage.rows() == [
        {"apple": Fruit("apple", ("red",))},
        {("a", "b"): Fruit("mixed")},
        {"mine": Fruit("still mine")},
    ]
    assert stage.concluded == [11, 12, 13]


def test_a_snapshot_from_a_later_index_takes_the_sequence_past_it(stage: Stage) -> None:
    with stage.tables.write() as write:
        stage.tables.restore(write, Snapshot(500, list(stage.tables.saved())))
    assert (stage.tables.index, stage.concluded[-1]) == (501, 501)


@pytest.mark.parametrize(
    "bad",
    [
        coded("stones", "s", Fruit("s")),
        coded("own", "mine", Fruit("mine")),
        Coded("fruit", b"\xc1", b"\x80"),
        Coded("fruit", b"\xa1a", b"\x93\x01\x02\x03"),
        Coded("fruit", b"\xa1a", None),
    ],
    ids=["unknown table", "the agent's own", "bad key", "bad row", "no row"],
)
def test_what_is_no_row_is_refused_and_nothing_is_changed(stage: Stage, bad: Coded) -> None:
    before = stage.rows()
    with pytest.raises(Undecodable), stage.tables.write() as write:
        stage.tables.restore(write, Snapshot(5, [coded("fruit", "plum", Fruit("plum")), bad]))
    assert stage.rows() == before
    assert stage.tables.index == 11


def test_a_field_that_was_added_has_its_default() -> None:
    """Rows on disk are older than the program."""
    stage = Stage()
    stage.tables.load([Coded("fruit", b"\xa4kiwi", b"\x82\xa4name\xa4kiwi\xa4rind\xc3")])
    assert stage.rows()[0] == {"kiwi": Fruit("kiwi")}
