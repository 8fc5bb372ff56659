"""The requests of a streaming call, kept while it may have to be sent again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Generic, TypeVar

T = TypeVar("T")

KEPT = 16
"""Requests that are kept. A stream that has sent more is not sent again: messages may have megabytes each."""

LAST_WORD = 0.1
"""Seconds in which an attempt that can no longer write has ended, unless its end waits behind replies that nobody has
read. gRPC takes about 1 ms."""


class Requests(Generic[T]):
    """A log of requests with one reader, the present attempt, which can be replaced by another that starts over.

    `write` returns when the reader has come back for more, which a gRPC call does once a message is on its way: so
    its flow control holds up the writer.
    """

    def __init__(self) -> None:
        self._log: list[T] = []
        self._dropped = 0
        self._taken = 0
        self._reader = 0
        self._keeping = True
        self.closed = False
        self.stopped = False
        self._moved = asyncio.Event()

    @property
    def repeatable(self) -> bool:
        """Whether every request so far could be sent once more."""
        return self._dropped == 0 and not self.stopped

    async def read(self) -> AsyncIterator[T]:
        """All requests from the first one on, for a new attempt; any reader before it ends."""
        self._reader += 1
        reader, position = self._reader, 0
        self._taken = 0
        self._move()
        while reader == self._reader:
            if position < self._dropped + len(self._log):
                yield self._log[position - self._dropped]
                position += 1
                self._advance(reader, position)
            elif self.closed:
                return
            else:
                await self._moved.wait()

    async def write(self, request: T) -> bool:
        """Add a request and wait until it is taken. False if the requests were closed before that."""
        self._log.append(request)
        end = self._dropped + len(self._log)
        self._move()
        while self._taken < end and not self.closed:
            await self._moved.wait()
        return self._taken >= end

    def close(self) -> None:
        """No requests will follow."""
        self.closed = True
        self._move()

    def stop(self) -> None:
        """The call is over: end the reader and whoever writes."""
        self._reader += 1
        self.stopped = True
        self.close()

    def fail(self) -> None:
        """The reader cannot go on, since its server has ended the call; nobody knows how yet.

        If that is not known soon, there are replies to be read before: so it was the last reader, and whoever writes
        is told.
        """
        if self.repeatable:
            asyncio.get_running_loop().call_later(LAST_WORD, self._last, self._reader)
        else:
            self.stop()

    def _last(self, reader: int) -> None:
        if reader == self._reader:
            self.stop()

    def commit(self) -> None:
        """Keep nothing any more: the call will not be sent again."""
        self._keeping = False
        self._trim()

    def _advance(self, reader: int, position: int) -> None:
        if reader == self._reader:
            self._taken = position
            self._trim()
            self._move()

    def _trim(self) -> None:
        if self._taken > KEPT:
            self._keeping = False
        if not self._keeping:
            del self._log[: self._taken - self._dropped]
            self._dropped = self._taken

    def _move(self) -> None:
        """Wakes the reader and the writers. Each looks for itself whether what it waits for has come."""
        self._moved.set()
        self._moved = asyncio.Event()
