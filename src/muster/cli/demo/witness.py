"""When the client stopped choosing an instance, seen from its own events."""

from __future__ import annotations

import time
from collections.abc import Callable

from muster.model.events import AttemptFailed, Event, InstanceEjected, InstanceReturned


class Witness:
    """An observer that keeps what the figures need, with times of `time.monotonic`."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self.let_go: dict[str, float] = {}
        """By instance id: when the client stopped choosing it, or when the last attempt there failed if later."""

    def __call__(self, event: Event) -> None:
        match event:
            case InstanceEjected() | AttemptFailed():
                self.let_go[event.instance_id] = self._clock()
            case InstanceReturned():
                self.let_go.pop(event.instance_id, None)
            case _:
                pass
