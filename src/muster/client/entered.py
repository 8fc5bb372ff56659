"""An event loop that other threads may step into while it stands still. Used by `background` alone."""

from __future__ import annotations

import asyncio
import selectors
import threading
from collections.abc import Callable, Mapping
from contextvars import Context
from typing import Any


class Standing(selectors.BaseSelector):
    """A selector that gives `lock` up while it waits: only then does the loop stand still.

    `abandon` makes it harmless in a forked child. The kernel's part of an epoll is shared with the parent: a transport
    that the child's garbage collector closes would end the parent's watch of its socket.
    """

    def __init__(self, lock: threading.RLock) -> None:
        self._lock = lock
        self._inner: selectors.BaseSelector = selectors.DefaultSelector()

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        self._lock.release()
        try:
            return self._inner.select(timeout)
        finally:
            self._lock.acquire()

    def abandon(self) -> None:
        self._inner = selectors.SelectSelector()

    def register(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.register(fileobj, events, data)

    def unregister(self, fileobj: Any) -> selectors.SelectorKey:
        return self._inner.unregister(fileobj)

    def modify(self, fileobj: Any, events: int, data: Any = None) -> selectors.SelectorKey:
        return self._inner.modify(fileobj, events, data)

    def get_map(self) -> Mapping[Any, selectors.SelectorKey]:
        return self._inner.get_map()

    def close(self) -> None:
        self._inner.close()


class Loop(asyncio.SelectorEventLoop):
    """What a thread that has stepped in schedules, the loop hears of at once, and not when it next wakes."""

    def __init__(self, selector: Standing) -> None:
        super().__init__(selector)
        self.set_debug(False)  # asyncio's debug mode forbids what this loop is for
        self.owner = 0

    def call_soon(  # type: ignore[override]
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        if threading.get_ident() == self.owner:
            return super().call_soon(callback, *args, context=context)
        return self.call_soon_threadsafe(callback, *args, context=context)

    def call_at(  # type: ignore[override]
        self, when: float, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.TimerHandle:
        timer = super().call_at(when, callback, *args, context=context)
        if threading.get_ident() != self.owner:
            self.call_soon_threadsafe(_look_again)
        return timer


def _look_again() -> None:
    """Wakes the loop, which then sees how long it has to wait."""
