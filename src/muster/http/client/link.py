"""The connections to one instance, and how many are using them."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from muster.http.client.connector import InstanceConnector

Spawn = Callable[[Coroutine[Any, Any, None]], object]
"""Runs a coroutine as a task that somebody owns."""


class Link:
    """What requests to one instance go through, until no connection can be made: then another takes its place."""

    __slots__ = ("_spawn", "_users", "closed", "connector", "retired")

    def __init__(self, connector: InstanceConnector, spawn: Spawn) -> None:
        self.connector = connector
        self.retired = False
        self.closed = False
        self._users = 0
        self._spawn = spawn

    def hold(self) -> None:
        self._users += 1

    def release(self) -> None:
        self._users -= 1
        if self.retired and not self._users and not self.closed:
            self._spawn(self.close())

    def retire(self) -> None:
        """Nobody new will use it: close it when the last user has done, or now if there is none."""
        if not self.retired:
            self.retired = True
            self.hold()
            self.release()

    async def close(self) -> None:
        """Close every connection, also those in use."""
        self.retired = self.closed = True
        await self.connector.close()
