"""What time does to sessions: timers that end those which nobody renews."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from types import TracebackType
from typing import Self

from muster.agent.catalog.topics import Topic
from muster.agent.kv.sessions import Session, Sessions
from muster.agent.store.tables import Tables

_PATIENCE = 2
"""Times its TTL is what a session has, as in Consul, whose TTL is the least that a session lives unrenewed."""

_log = logging.getLogger("muster.agent.sessions")


class LivingSessions:
    """Sessions with their timers. Every method is synchronous. For use on one event loop, while entered; leaving stops
    the timers."""

    def __init__(self, tables: Tables, table: Sessions) -> None:
        self.table = table
        self._tables = tables
        self._timers: dict[str, asyncio.TimerHandle] = {}

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def create(self, session: Session) -> None:
        """Add a session. Raises BadSession."""
        with self._tables.write() as write:
            self.table.create(write, session)
        self.renew(session)

    def renew(self, session: Session) -> None:
        """Start a session's time anew."""
        self._stop(session.id)
        if session.ttl_seconds:
            loop = asyncio.get_running_loop()
            self._timers[session.id] = loop.call_later(session.ttl_seconds * _PATIENCE, self._expire, session.id)

    def resume(self) -> None:
        """Start the time of all sessions anew, after the tables were filled; end those that do not stand."""
        for session_id in list(self._timers):
            self._stop(session_id)
        for _, session in self.table.rows():
            self.renew(session)
        for session_id in self.table.fallen():
            self.destroy(session_id)

    def destroy(self, session_id: str) -> None:
        """End a session. An unknown id is fine."""
        self._stop(session_id)
        with self._tables.write() as write:
            self.table.destroy(write, session_id, asyncio.get_running_loop().time())

    def heed(self, topics: Iterable[Topic]) -> None:
        """Tell of a change in the catalog: sessions whose node or checks did not survive it end."""
        for session_id in self.table.ended_by(frozenset(topics)):
            _log.info("session %s ends with its node or one of its checks", session_id)
            self.destroy(session_id)

    def _expire(self, session_id: str) -> None:
        _log.info("session %s was not renewed in time", session_id)
        self.destroy(session_id)

    def _stop(self, session_id: str) -> None:
        timer = self._timers.pop(session_id, None)
        if timer is not None:
            timer.cancel()
