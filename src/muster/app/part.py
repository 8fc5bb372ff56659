"""Which part of a service a process is: all of it, or one of several that run it together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Protocol

from muster.app.doors import Door
from muster.app.keeping import Home
from muster.model.service import Registration
from muster.serve.entry import new_id
from muster.serve.health import HealthState

if TYPE_CHECKING:
    from muster.http.incoming import Incoming


class Part(Protocol):
    async def placed(self, door: Door, host: str) -> Door:
        """The door with an id, and with the port to listen at. `host`: as its author wrote it."""
        ...

    def incoming(self, door: Door) -> Incoming | None:
        """Where the connections of an HTTP door come from; None: from a port of this process's own."""
        ...

    def keeps(
        self, home: Home, entries: Sequence[Registration], health: HealthState
    ) -> tuple[Home, Sequence[Registration]]:
        """What this process registers, and where; at least one entry. `entries`: of all doors."""
        ...


class _Alone:
    """All of it."""

    async def placed(self, door: Door, host: str) -> Door:
        return replace(door, instance_id=new_id(door.name))

    def incoming(self, door: Door) -> None:
        return None

    def keeps(
        self, home: Home, entries: Sequence[Registration], health: HealthState
    ) -> tuple[Home, Sequence[Registration]]:
        return home, entries


ALONE: Part = _Alone()
