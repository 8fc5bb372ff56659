"""Whose turn it is to get a connection."""

from __future__ import annotations

from dataclasses import replace

from tests.serve.workers.play import Play

from muster.serve.workers.table import LOOK, Closed, Reload, Stopping, Told
from muster.serve.workers.turn import SLACK, in_turn


def test_everybody_has_a_turn() -> None:
    table = Play(3).begun().table
    order, last = [], 0
    for _ in range(6):
        last = in_turn(table, last)[0].number
        order.append(last)
    assert order == [1, 2, 3, 1, 2, 3]


def test_who_hangs_or_is_not_well_has_no_turn_while_there_is_another() -> None:
    play = Play(3).begun()
    play(Told(1, False))
    silent = replace(play.table.workers[1], silent=int(SLACK / LOOK))
    table = replace(play.table, workers=(play.table.workers[0], silent, play.table.workers[2]))
    assert [each.number for each in in_turn(table, 0)] == [3]
    assert [each.number for each in in_turn(replace(table, workers=table.workers[:2]), 0)] == [1]
    assert [each.number for each in in_turn(replace(table, workers=(silent,)), 0)] == [2]


def test_who_leaves_has_a_turn_only_while_all_leave() -> None:
    play = Play(2).begun()
    play(Reload(), Told(3, True))
    assert [each.number for each in in_turn(play.table, 0)] == [2, 3]
    play(Stopping())
    assert [each.number for each in in_turn(play.table, 0)] == [1, 2, 3]
    play(Closed(1), Closed(2), Closed(3))
    assert in_turn(play.table, 0) == []


def test_who_takes_no_connections_any_more_has_none_kept_for_it() -> None:
    """They wait for the one that takes its place."""
    play = Play(1).begun()
    play(Told(1, False), Closed(1))
    assert in_turn(play.table, 0) == []
