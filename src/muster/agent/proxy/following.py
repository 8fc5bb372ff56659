"""All that is followed now: a question is followed while somebody asks it, and a little longer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from muster.agent.blocking import Waiters
from muster.agent.proxy.followed import Followed
from muster.agent.proxy.question import Question
from muster.agent.proxy.upstream import Upstream

LINGER = 60.0
"""Seconds that a question is followed after its last reader: longer than a reader pauses between two queries."""

MOST = 10_000
"""Questions that are followed at a time. Readers choose what they ask, so that it has to end somewhere."""


class Following:
    """The questions that are followed, and their tasks in `group`, whose owner ends them by `close` first."""

    def __init__(self, upstream: Upstream, waiters: Waiters, group: asyncio.TaskGroup, linger: float = LINGER) -> None:
        self._upstream = upstream
        self._waiters = waiters
        self._group = group
        self._linger = linger
        self._entries: dict[Question, _Entry] = {}

    @property
    def count(self) -> int:
        """How many questions are followed."""
        return len(self._entries)

    @contextmanager
    def share(self, question: Question) -> Iterator[Followed | None]:
        """The question, followed for as long as the context lasts; None where too many are followed already."""
        entry = self._entries.get(question)
        if entry is None and len(self._entries) >= MOST:
            yield None
            return
        entry = entry or self._begin(question)
        entry.enter()
        try:
            yield entry.followed
        finally:
            if entry.leave():
                entry.end_after(self._linger, lambda: self._end(question))

    def close(self) -> None:
        """Follow nothing any more."""
        for question in tuple(self._entries):
            self._end(question)

    def _begin(self, question: Question) -> _Entry:
        followed = Followed(question, self._upstream, self._waiters)
        task = self._group.create_task(followed.follow(), name=f"follow {question.path}")
        entry = self._entries[question] = _Entry(followed, task)
        return entry

    def _end(self, question: Question) -> None:
        entry = self._entries.pop(question, None)
        if entry is not None:
            entry.end()


class _Entry:
    """One question, its readers, and the timer that ends it."""

    def __init__(self, followed: Followed, task: asyncio.Task[None]) -> None:
        self.followed = followed
        self._task = task
        self._readers = 0
        self._ending: asyncio.TimerHandle | None = None

    def enter(self) -> None:
        self._readers += 1
        self._stop_timer()

    def leave(self) -> bool:
        """Whether that was the last reader."""
        self._readers -= 1
        return not self._readers

    def end_after(self, seconds: float, end: Callable[[], None]) -> None:
        self._ending = asyncio.get_running_loop().call_later(seconds, end)

    def end(self) -> None:
        self._stop_timer()
        self._task.cancel()

    def _stop_timer(self) -> None:
        if self._ending is not None:
            self._ending.cancel()
            self._ending = None
