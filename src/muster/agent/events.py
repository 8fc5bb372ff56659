"""User events: what was fired lately, for those who ask. Pure data and rules.

Consul spreads events by gossip, which keeps no history; so its agent keeps the last 256, and so does this.
"""

from __future__ import annotations

import uuid
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from muster.agent.catalog.topics import Topic

EVENTS: Topic = ("events", "")
_KEPT = 256


@dataclass(frozen=True, slots=True)
class UserEvent:
    """One event. The filters are regular expressions, empty for none; `time` counts the events of this agent."""

    id: str
    name: str
    payload: bytes = b""
    node_filter: str = ""
    service_filter: str = ""
    tag_filter: str = ""
    time: int = 0

    @property
    def index(self) -> int:
        """The index of a list that ends with this event: Consul's clients compute it from the id themselves."""
        number = uuid.UUID(self.id).int
        return (number >> 64) ^ (number & (2**64 - 1))


class Events:
    """The last events. Synchronous."""

    def __init__(self) -> None:
        self._events: deque[UserEvent] = deque(maxlen=_KEPT)

    def add(self, event: UserEvent) -> None:
        self._events.append(event)

    def named(self, name: str) -> Iterator[UserEvent]:
        """Those of a name, or with an empty one all, the oldest first."""
        return (event for event in self._events if name in ("", event.name))
