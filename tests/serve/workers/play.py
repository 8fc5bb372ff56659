"""A table of workers, played with."""

from __future__ import annotations

from random import Random

from muster.serve.workers.table import Action, Event, Phase, Reload, Rules, Table, Told, step


class Play:
    """A table, the time, and what was done last."""

    def __init__(self, wanted: int = 2, *, patient: bool = False, looks: int = 8, grace: float = 5.0) -> None:
        self.table = Table(Rules(wanted, looks, grace, patient))
        self.now = 0.0
        self.rng = Random(1)

    def __call__(self, *events: Event, after: float = 0.0) -> list[Action]:
        self.now += after
        done: list[Action] = []
        for event in events:
            self.table, actions = step(self.table, event, self.now, self.rng)
            done += actions
        return done

    def begun(self) -> Play:
        """All serve."""
        self(Reload())
        for worker in self.table.workers:
            self(Told(worker.number, True))
        return self

    @property
    def phases(self) -> dict[int, Phase]:
        return {worker.number: worker.phase for worker in self.table.workers}
