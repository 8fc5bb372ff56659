"""A one-slot broadcast: readers see the newest value, never a queue of old ones, and never hold up the writer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import Generic, TypeVar

T = TypeVar("T")


class Latest(Generic[T]):
    """The newest value of something, and who wants to know when it changes. For one event loop."""

    def __init__(self, value: T) -> None:
        self._value = value
        self._listeners: dict[object, Callable[[T], None]] = {}

    @property
    def value(self) -> T:
        return self._value

    def set(self, value: T) -> None:
        """Replace the value and tell every listener, in the order in which they came, before returning."""
        self._value = value
        for listener in tuple(self._listeners.values()):
            listener(value)

    def listen(self, listener: Callable[[T], None]) -> Callable[[], None]:
        """Call `listener` on every `set` from now on; it must return at once and must not raise.

        Returns the function that ends this, which may be called more than once.
        """
        key = object()
        self._listeners[key] = listener

        def unlisten() -> None:
            self._listeners.pop(key, None)

        return unlisten

    async def __aiter__(self) -> AsyncGenerator[T, None]:
        """The value now, and then the newest one each time that it was set since the last was taken."""
        changed = asyncio.Event()
        changed.set()
        unlisten = self.listen(lambda _: changed.set())
        try:
            while True:
                await changed.wait()
                changed.clear()
                yield self._value
        finally:
            unlisten()
