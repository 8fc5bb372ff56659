"""The answer to a query that has to wait, promised to its connection: see muster.http.prompt."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from muster.agent.api.answer import Answer, Query
from muster.agent.blocking import Found, Waiters, Waiting
from muster.http.prompt import Give, Reply


class Promise:
    """Waits for what `found` says, `seconds` at most, and gives what `reply` makes of what is found then."""

    __slots__ = ("_found", "_query", "_reply", "_seconds", "_waiters", "_waiting")

    def __init__(
        self,
        query: Query,
        found: Found[Answer],
        waiters: Waiters,
        seconds: float,
        reply: Callable[[Found[Answer]], Reply],
    ) -> None:
        self._query = query
        self._found = found
        self._waiters = waiters
        self._seconds = seconds
        self._reply = reply
        self._waiting: Waiting[Answer] | None = None

    def begin(self, give: Give) -> None:
        """See muster.http.prompt.Later. Raises TooManyWaiting."""
        query = self._query
        self._waiting = Waiting(query.ask, query.patience.index, self._waiters, partial(self._answered, give))
        self._waiting.begin(self._found.topics, self._seconds)

    def abandon(self) -> None:
        if self._waiting is not None:
            self._waiting.leave()

    def _answered(self, give: Give, found: Found[Answer]) -> None:
        give(partial(self._reply, found))
