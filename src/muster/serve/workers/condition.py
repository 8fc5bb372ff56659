"""What several workers together say of the instance that they are."""

from __future__ import annotations

from collections.abc import Callable

from muster.model.check import CheckState, Health
from muster.serve.entry import SELF
from muster.serve.workers.table import Table
from muster.watch.latest import Latest


class Crewed:
    """A Condition: critical while no worker serves. For the event loop of the supervisor whose `table` it is."""

    blocked = False

    def __init__(self, table: Latest[Table]) -> None:
        self._table = table
        self._listener: Callable[[], object] = _nobody
        self._told = self.state
        table.listen(self._look)

    @property
    def state(self) -> CheckState:
        table = self._table.value
        health = Health.PASSING if table.ready else Health.CRITICAL
        return CheckState(SELF, health, f"{table.serving} of {table.rules.wanted} workers serve")

    def listen(self, listener: Callable[[], object]) -> None:
        self._listener = listener

    def _look(self, table: Table) -> None:
        if self.state != self._told:
            self._told = self.state
            self._listener()


def _nobody() -> None:
    """Nobody keeps the registration yet."""
