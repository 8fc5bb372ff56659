"""A call that is sent a second time when its answer is late.

Two calls side by side: the first with everything that a call has, retries included; the second, to another instance, a
single attempt. Whichever answers first is the call; the other is cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Generator
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio

from muster.balance.nodes import FAULTS, Node
from muster.grpc.attempting import Terms
from muster.grpc.ending import at_once
from muster.grpc.kinds import UnaryUnaryCall
from muster.grpc.link import Link
from muster.model.errors import MusterError

if TYPE_CHECKING:
    from muster.grpc.method import Method

_NO_ANSWER = frozenset((*FAULTS, "CANCELLED"))


class _First(UnaryUnaryCall):
    def another(self) -> Node[Link] | None:
        """A node to send it to besides the one where it is now; None if there is none, or if it is nowhere."""
        node = self._node
        if node is None:
            return None
        try:
            other = self._method.choose((node,), self._key)
        except MusterError:
            return None
        return other if other is not node else None


class _Second(UnaryUnaryCall):
    """A call of one attempt, at a node that was chosen before, with the deadline of the first."""

    counts = False

    def begin_at(self, node: Node[Link], first: _First) -> None:
        self._deadline = first._deadline
        self._resend(node)

    def _repeatable(self) -> bool:
        return False


def _code(call: UnaryUnaryCall) -> str:
    """The code of a call that is over."""
    try:
        code: str = at_once(call.code()).name
        return code
    except Exception:
        return "UNKNOWN"  # an interceptor raised something of its own; whoever awaits the call gets that


def unary_call(method: Method, terms: Terms, request: Any) -> Any:
    """A unary call that has begun: hedged if its method is."""
    kind = HedgedCall if method.hedged else UnaryUnaryCall
    return kind(method, terms, request).begin()


class HedgedCall(grpc.aio.UnaryUnaryCall):  # type: ignore[misc]
    """One request, one response, from whoever answers first."""

    def __init__(self, method: Method, terms: Terms, request: Any) -> None:
        """Raises UsageError on a closed channel."""
        self._method = method
        self._terms = terms
        self._request = request
        self._first = _First(method, terms, request)
        self._second: _Second | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._settled: asyncio.Future[UnaryUnaryCall] = asyncio.get_running_loop().create_future()
        self._callbacks: tuple[Callable[[Any], None], ...] = ()
        self._began = time.monotonic()

    def begin(self) -> Self:
        """As Attempting.begin."""
        self._first.begin()
        self._first.add_done_callback(self._ended)
        delay = self._method.hedge_after()
        if delay is not None and not self.done():
            self._timer = asyncio.get_running_loop().call_later(delay, self._hedge)
        return self

    def _hedge(self) -> None:
        """The answer is late."""
        other = None if self.done() else self._first.another()
        if other is not None and self._method.may_hedge(other):
            self._second = _Second(self._method, self._terms, self._request)
            self._second.add_done_callback(self._ended)
            self._second.begin_at(other, self._first)

    def _ended(self, call: Any) -> None:
        """The done callback of both. A failure is the call's only if the other cannot do better any more."""
        other = self._second if call is self._first else self._first
        if self.done():
            return
        code = _code(call)
        if code in _NO_ANSWER and other is not None and not other.done():
            return
        if code == "OK":
            self._method.answered(time.monotonic() - self._began)
        # Where both have failed, the first has tried more.
        self._settle(self._first if code in _NO_ANSWER else call)

    def _settle(self, call: UnaryUnaryCall) -> None:
        self._settled.set_result(call)
        if self._timer is not None:
            self._timer.cancel()
        for loser in (self._first, self._second):
            if loser is not None and loser is not call:
                loser.cancel()
        for callback in self._callbacks:
            self.add_done_callback(callback)

    # What grpc.aio's call objects promise.

    def __await__(self) -> Generator[Any, None, Any]:
        try:
            call = yield from asyncio.shield(self._settled).__await__()
            return (yield from call.__await__())
        except asyncio.CancelledError:
            self.cancel()
            raise

    def done(self) -> bool:
        return self._settled.done()

    def cancelled(self) -> bool:
        return self.done() and self._settled.result().cancelled()

    def cancel(self) -> bool:
        if self.done():
            return False
        if self._timer is not None:
            self._timer.cancel()
        if self._second is not None:
            self._second.cancel()
        self._first.cancel()
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if self.done():
            self._settled.result().add_done_callback(lambda _: callback(self))
        else:
            self._callbacks = (*self._callbacks, callback)

    def time_remaining(self) -> float | None:
        return self._first.time_remaining()

    async def wait_for_connection(self) -> None:
        await self._first.wait_for_connection()

    async def initial_metadata(self) -> Any:
        return await (await self._outcome()).initial_metadata()

    async def trailing_metadata(self) -> Any:
        return await (await self._outcome()).trailing_metadata()

    async def code(self) -> grpc.StatusCode:
        return await (await self._outcome()).code()

    async def details(self) -> Any:
        return await (await self._outcome()).details()

    async def debug_error_string(self) -> Any:
        return await (await self._outcome()).debug_error_string()

    async def _outcome(self) -> UnaryUnaryCall:
        return await asyncio.shield(self._settled)
