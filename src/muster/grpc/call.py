"""What grpc.aio's call objects promise, over the attempts of a call.

Awaiting and reading delegate to the present attempt and follow when another takes its place. In the common case, one
attempt that succeeds, that is nearly as cheap as grpc.aio alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any, TypeVar

import grpc
import grpc.aio

from muster.call.deadline import remaining
from muster.grpc.attempting import LOCALLY_CANCELLED, Attempting

T = TypeVar("T")


class Call(Attempting):
    """What all four kinds of calls share: grpc.aio.Call."""

    def cancelled(self) -> bool:
        if self._error is not None:
            return self._error.code() is grpc.StatusCode.CANCELLED
        return self._over and bool(self._inner.cancelled())

    def done(self) -> bool:
        return self._over

    def time_remaining(self) -> float | None:
        return remaining(self._deadline, time.monotonic())

    def cancel(self) -> bool:
        if self._over:
            return False
        self._cancelled = True
        if self._aside is None:
            return bool(self._inner.cancel())
        self._aside.cancel()
        self._end_with(grpc.StatusCode.CANCELLED, LOCALLY_CANCELLED)
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if self._over:
            self._call_back(callback)
        else:
            self._callbacks = (*self._callbacks, callback)

    async def initial_metadata(self) -> Any:
        while True:
            inner = await self._attempt()
            metadata = await inner.initial_metadata()
            if self._is_present(inner):
                self._committed = True
                return metadata

    async def trailing_metadata(self) -> Any:
        return await self._at_the_end(lambda ended: ended.trailing_metadata())

    async def code(self) -> grpc.StatusCode:
        code: grpc.StatusCode = await self._at_the_end(lambda ended: ended.code())
        return code

    async def details(self) -> Any:
        return await self._at_the_end(lambda ended: ended.details())

    async def debug_error_string(self) -> Any:
        return await self._at_the_end(lambda ended: ended.debug_error_string())

    async def wait_for_connection(self) -> None:
        await self._following(lambda inner: inner.wait_for_connection())

    # Following the attempts.

    def _is_present(self, inner: Any) -> bool:
        """Whether `inner` is the attempt that counts, and nothing is being decided."""
        return inner is self._inner and self._aside is None

    async def _at_the_end(self, ask: Callable[[Any], Any]) -> Any:
        """What `ask` gets from the call's own error, or else from its last attempt, once the call is over."""
        while not self._over:
            await self._moved()
        if self._error is not None:
            return ask(self._error)
        return await ask(self._inner)

    async def _attempt(self) -> Any:
        """The attempt under way or the last one. Raises the error of a call that ended without one."""
        while self._aside is not None:
            await self._moved()
        self._raise()
        return self._inner

    def _raise(self) -> None:
        """Raise the error of the call itself, if it has one: that of its last attempt is raised by the attempt."""
        if self._error is None:
            return
        if self._cancelled:
            raise asyncio.CancelledError
        raise self._error.with_traceback(None)

    def _superseded(self, inner: Any) -> bool:
        """After `inner` raised: whether another attempt follows. Raises the call's own error, if it has one."""
        if inner.done():  # its callback may be due only after whoever awaits
            self._ended(inner)
        self._raise()
        return not self._is_present(inner)

    async def _following(self, ask: Callable[[Any], Awaitable[T]]) -> T:
        """What `ask` gets from the first attempt that is not superseded. Cancelling it cancels the call."""
        try:
            while True:
                inner = await self._attempt()
                try:
                    answer = await ask(inner)
                except Exception:
                    if not self._superseded(inner):
                        raise
                else:
                    if self._committed or self._is_present(inner):
                        return answer
        except asyncio.CancelledError:
            self._abandon()
            raise

    def _abandon(self) -> None:
        """Whoever awaited was cancelled, and with it the attempt: the call is cancelled too."""
        self._cancelled = True
        self.cancel()
