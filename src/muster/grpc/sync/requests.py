"""The requests of a streaming call, kept while it may have to be sent again."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from typing import Generic, TypeVar

from muster.grpc.requests import KEPT

T = TypeVar("T")


class Requests(Generic[T]):
    """What the caller's iterator gives, for one reader after the other: each attempt's thread in gRPC.

    As `grpc.requests.Requests`, but it takes from the caller's iterator only what a reader asks for, since gRPC runs
    the iterator of a sync call in a thread of its own, and it may block there.
    """

    def __init__(self, source: Iterable[T]) -> None:
        self._source = iter(source)
        self._moved = threading.Condition()
        self._log: list[T] = []
        self._dropped = 0
        self._reader = 0
        self._taking = False
        self._keeping = True
        self._over = False
        self._error: BaseException | None = None

    @property
    def repeatable(self) -> bool:
        """Whether every request so far could be sent once more."""
        return self._dropped == 0

    def read(self) -> Iterator[T]:
        """All requests from the first one on, for a new attempt; any reader before it ends."""
        return self._read(self._replace_reader())

    def stop(self) -> None:
        """The call is over: the reader ends."""
        self._replace_reader()

    def commit(self) -> None:
        """Keep nothing any more: the call will not be sent again."""
        self._keeping = False

    def _replace_reader(self) -> int:
        with self._moved:
            self._reader += 1
            self._moved.notify_all()
            return self._reader

    def _read(self, reader: int) -> Iterator[T]:
        position = 0
        while self._has(position, reader):
            yield self._log[position - self._dropped]
            position += 1

    def _has(self, position: int, reader: int) -> bool:
        """Whether there is a request at `position`, for the reader that counts. Waits and raises as the source does."""
        while True:
            with self._moved:
                self._moved.wait_for(lambda: not self._taking or self._is_clear(position, reader))
                if reader != self._reader:
                    return False
                self._trim(position)
                if position < self._dropped + len(self._log):
                    return True
                if self._error is not None:
                    raise self._error
                if self._over:
                    return False
                self._taking = True
            self._take()

    def _is_clear(self, position: int, reader: int) -> bool:
        """Whether a reader need not wait for what another, that it has replaced, is taking at the moment."""
        return reader != self._reader or position < self._dropped + len(self._log)

    def _take(self) -> None:
        """Take one request from the source, and leave it to whichever reader counts by then."""
        try:
            self._log.append(next(self._source))
        except StopIteration:
            self._over = True
        except BaseException as error:
            self._error = error
        finally:
            with self._moved:
                self._taking = False
                self._moved.notify_all()

    def _trim(self, position: int) -> None:
        """Drop what the reader has passed, where it is not kept."""
        if position > KEPT:
            self._keeping = False
        if not self._keeping:
            del self._log[: position - self._dropped]
            self._dropped = position
