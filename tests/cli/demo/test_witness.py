from __future__ import annotations

from muster.cli.demo.witness import Witness
from muster.model.events import AttemptFailed, InstanceEjected, InstanceReturned, WatchEnded


def test_the_last_moment_at_which_an_instance_was_still_chosen() -> None:
    now = 1.0
    witness = Witness(lambda: now)
    witness(InstanceEjected("g", "g-1", "connection lost"))
    now = 2.0
    witness(AttemptFailed("g", "/p.S/M", "g-1", "UNAVAILABLE", 1, True))
    witness(WatchEnded("g"))
    assert witness.let_go == {"g-1": 2.0}


def test_an_instance_that_is_chosen_again_was_not_let_go() -> None:
    witness = Witness(lambda: 1.0)
    witness(InstanceEjected("g", "g-1", "connection lost"))
    witness(InstanceReturned("g", "g-1", 0.1))
    assert witness.let_go == {}
