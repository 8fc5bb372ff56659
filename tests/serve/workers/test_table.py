"""The table of workers: what is done about them."""

from __future__ import annotations

from dataclasses import replace

from tests.serve.workers.play import Play

from muster.serve.workers.table import (
    BACKOFF,
    LOOK,
    STEADY,
    Alive,
    Ended,
    Event,
    GivenUp,
    Kill,
    Leave,
    Looked,
    Phase,
    Reload,
    Start,
    Stopping,
    Told,
)


def test_all_start_together() -> None:
    play = Play(3)
    assert play(Reload()) == [Start(1, 0), Start(2, 1), Start(3, 2)]
    assert play(Told(1, True), Told(2, False)) == []
    assert (play.table.ready, play.table.served) == (1, True)


def test_when_all_fail_at_the_first_start_that_is_the_end() -> None:
    play = Play(2)
    play(Reload())
    assert play(Ended(1)) == []
    assert not play.table.failed
    assert play(Ended(2)) == []
    assert play.table.failed and play.table.over
    assert play(Looked(), after=100.0) == []


def test_one_that_serves_is_enough_to_go_on() -> None:
    play = Play(2)
    play(Reload(), Ended(1))
    assert play(Told(2, True)) == []
    assert play(Looked(), after=BACKOFF.maximum) == [Start(3, 0)]


def test_a_crash_is_replaced_and_takes_the_place_that_is_free() -> None:
    play = Play(3).begun()
    assert play(Ended(2)) == []
    assert play.table.ready == 2
    assert play(Looked(), after=BACKOFF.bound(1)) == [Start(4, 1)]


def test_who_crashes_again_and_again_does_not_spin() -> None:
    play = Play(1).begun()
    starts = 0
    for _ in range(int(600 / LOOK)):
        for action in play(Looked(), after=LOOK):
            assert isinstance(action, Start)
            starts += 1
            play(Told(action.number, True), Ended(action.number))
        for worker in play.table.workers:
            play(Ended(worker.number))
    assert 20 <= starts <= 60  # in ten minutes


def test_a_crash_after_a_steady_time_is_the_first_again() -> None:
    play = Play(1).begun()
    for number in range(1, 6):
        play(Ended(number))
        assert play(Looked(), after=BACKOFF.maximum) == [Start(number + 1, 0)]
        play(Told(number + 1, True))
    assert play.table.failures == 5
    play(Ended(6), after=STEADY)
    assert play.table.failures == 1


def test_who_gives_no_sign_of_life_is_killed_once_and_replaced() -> None:
    play = Play(2, looks=8).begun()
    for _ in range(7):
        assert play(Looked(), Alive(1), after=LOOK) == []
    assert play(Looked(), after=LOOK) == [Kill(2, "no sign of life for 2 s"), Start(3, 2)]
    assert play.table.ready == 1
    looks: list[Event] = [Looked(), Alive(1)] * 9
    assert play(*looks, after=LOOK) == []
    assert play(Ended(2)) == []


def test_a_machine_that_was_asleep_harms_nobody() -> None:
    play = Play(2, looks=8).begun()
    assert play(Looked(), after=3600.0) == []


def test_who_still_starts_may_take_its_time() -> None:
    play = Play(2, looks=2)
    play(Reload())
    assert play(*[Looked()] * 100, after=LOOK) == []


def test_a_reload_replaces_one_by_one_each_once_the_new_one_serves() -> None:
    play = Play(2).begun()
    assert play(Reload()) == [Start(3, 2)]
    assert play(Told(3, True)) == [Leave(1, alone=True)]
    assert play(Looked()) == []
    assert play(Ended(1)) == [Start(4, 0)]
    assert play(Told(4, True)) == [Leave(2, alone=True)]
    assert play(Ended(2)) == []
    assert [worker.number for worker in play.table.workers] == [3, 4]
    assert not play.table.old


def test_an_old_one_stays_until_the_new_one_can_be_found() -> None:
    play = Play(1).begun()
    play(Reload())
    assert play(Told(2, True, known=False)) == []
    assert play(Looked()) == []
    assert play(Told(2, True, known=True)) == [Leave(1, alone=True)]


def test_a_reload_that_fails_leaves_the_others_alone() -> None:
    play = Play(2).begun()
    play(Reload())
    assert play(Ended(3)) == [GivenUp()]
    assert play(Looked(), after=60.0) == []
    assert play.phases == {1: Phase.SERVING, 2: Phase.SERVING}
    assert play(Reload()) == [Start(4, 2)]


def test_a_second_reload_replaces_those_of_the_first_too() -> None:
    play = Play(1).begun()
    play(Reload(), Reload())
    assert play.phases == {1: Phase.SERVING, 2: Phase.STARTING}
    assert play(Told(2, True)) == [Leave(1, alone=True)]
    assert play(Ended(1)) == [Start(3, 0)]
    assert play(Told(3, True)) == [Leave(2, alone=True)]


def test_a_restart_ends_all_and_then_starts_all() -> None:
    play = Play(2, patient=True).begun()
    assert play(Reload(at_once=True)) == [Leave(1, at_once=True), Leave(2, at_once=True)]
    assert play(Ended(1)) == []
    assert play(Ended(2)) == [Start(3, 0), Start(4, 1)]


def test_a_restart_that_fails_waits_for_the_next() -> None:
    play = Play(1, patient=True)
    play(Reload(at_once=True), Ended(1))
    assert not play.table.over
    assert play(Looked(), after=3600.0) == []
    assert play(Reload(at_once=True)) == [Start(2, 0)]


def test_who_has_not_served_yet_may_not_listen_yet() -> None:
    play = Play(1)
    play(Reload())
    assert play(Stopping()) == [Leave(1, young=True)]


def test_a_stop_lets_everybody_leave_and_kills_who_does_not() -> None:
    play = Play(2, grace=5.0).begun()
    assert play(Stopping()) == [Leave(1), Leave(2)]
    assert play(Ended(1)) == []
    assert play(Looked(), after=4.9) == []
    assert play(Looked(), after=0.1) == [Kill(2, "it does not end")]
    assert not play.table.over
    play(Ended(2))
    assert play.table.over and not play.table.failed


def test_a_second_stop_is_in_a_hurry() -> None:
    play = Play(1, grace=60.0).begun()
    play(Stopping())
    assert play(Stopping()) == [Leave(1, at_once=True)]
    assert play(Looked(), after=1.0) == [Kill(1, "it does not end")]


def test_events_of_those_who_have_gone_change_nothing() -> None:
    play = Play(1).begun()
    before = play.table
    assert play(Ended(9), Told(9, True), Alive(9)) == []
    assert play.table == before


def test_one_too_many_while_they_are_replaced_counts_for_no_more_than_are_wanted() -> None:
    play = Play(2).begun()
    play(Reload())
    play(Told(3, True))
    assert (play.table.ready, play.table.serving) == (2, 2)
    assert Play(2).begun().table.serving == 2
    lively = [each for each in play.table.workers if each.number != 1]
    more = replace(play.table, workers=(*play.table.workers, replace(lively[0], number=9)))
    assert (more.ready, more.serving) == (3, 2)
