"""How many calls a server has under way, and how many it takes.

grpcio's own limit counts health checks too, of which every client has one open: a service with more clients than
slots would be dead to all of them.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial

import grpc

from muster.grpc.refusal import UNREAD, Trailing

Verdict = tuple[grpc.StatusCode, str]
"""What a caller is told: a code, and text for people."""

Refusal = tuple[grpc.StatusCode, str, Trailing]
"""The same, and metadata by which a client knows that nobody has read the request."""


class Slots:
    """How many calls are under way, and how many may be. Threads that run plain handlers use it too."""

    def __init__(self, limit: int | None) -> None:
        self._limit = limit
        self._taken = 0
        self._emptied: Callable[[], object] | None = None
        self._lock = threading.Lock()

    @property
    def taken(self) -> int:
        return self._taken

    def take(self) -> bool:
        """False where there is none left; then it must not be given back."""
        with self._lock:
            if self._limit is not None and self._taken >= self._limit:
                return False
            self._taken += 1
            return True

    def give_back(self) -> None:
        with self._lock:
            self._taken -= 1
            if not self._taken and self._emptied:
                self._emptied()

    async def emptied(self) -> None:
        """Returns once no call is under way. For one waiter."""
        loop, event = asyncio.get_running_loop(), asyncio.Event()
        with self._lock:
            if not self._taken:
                return
            self._emptied = partial(loop.call_soon_threadsafe, event.set)
        try:
            await event.wait()
        finally:
            with self._lock:
                self._emptied = None  # who gives back later may find the loop closed

    @property
    def full(self) -> Refusal:
        """What to tell who found none."""
        calls = "call" if self._limit == 1 else "calls"
        details = f"the server takes no more than {self._limit} {calls} at once"
        return grpc.StatusCode.RESOURCE_EXHAUSTED, details, UNREAD
