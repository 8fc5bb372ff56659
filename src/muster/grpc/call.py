"""One call over its attempts: what grpc.aio's call objects promise, whichever instance answers in the end.

The present attempt is an ordinary grpc.aio call (`_inner`). Its done callback, and not whoever awaits, decides whether
there will be another: so a call goes on by itself also when nobody awaits it. Awaiting delegates to the attempt, which
leaves the common case, one attempt that succeeds, nearly as cheap as grpc.aio alone.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import TYPE_CHECKING, Any, Self, TypeVar

import grpc
import grpc.aio

from muster.balance.nodes import Node
from muster.call.attempt import Attempts, Fail, Wait
from muster.call.deadline import deadline_of, remaining
from muster.grpc.ending import at_once, clarified, ending_of, is_doubtful
from muster.grpc.link import Link
from muster.model.errors import MusterError
from muster.model.outcome import Outcome

if TYPE_CHECKING:
    from muster.grpc.method import Method

T = TypeVar("T")

LOCALLY_CANCELLED = "Locally cancelled by application!"
"""grpc.aio's own words for it."""

_GIVEN_UP = Outcome("CANCELLED")
_LOCAL = (LOCALLY_CANCELLED, "Cancelled upon garbage collection!")


class Terms:
    """What the caller asked for besides the request. `timeout` is for the whole call."""

    __slots__ = ("compression", "credentials", "metadata", "timeout", "wait_for_ready")

    def __init__(self, timeout: float | None, metadata: Any, credentials: Any, wait_for_ready: Any, compression: Any):
        self.timeout = timeout
        self.metadata = metadata
        self.credentials = credentials
        self.wait_for_ready = bool(wait_for_ready)
        self.compression = compression


class Call:
    """What all four kinds of calls share. Subclasses say how an attempt is started and how answers are read."""

    def __init__(self, method: Method, terms: Terms) -> None:
        if method.closed:
            raise grpc.aio.UsageError("Channel is closed.")
        now = time.monotonic()
        self._method = method
        self._terms = terms
        self._deadline = deadline_of(terms.timeout, now)
        self._inner: Any = None
        self._node: Node[Link] | None = None
        self._link: Link | None = None
        self._sent = 0.0
        self._searching: asyncio.Task[None] | None = None
        self._waiters: list[asyncio.Future[None]] = []
        self._callbacks: list[Callable[[Any], None]] = []
        self._over = False
        self._cancelled = False
        self._committed = False
        self._error: grpc.aio.AioRpcError | None = None
        self._details = ""
        self._state: Attempts | None = None
        self._tried: list[Node[Link]] = []
        method.retrier.budget.deposit(now)

    # What subclasses say.

    def _start(self, stub: Callable[..., Any], timeout: float | None) -> Any:
        """Start an attempt: a call of grpc.aio."""
        raise NotImplementedError

    def _repeatable(self) -> bool:
        """Whether the request could be sent again, and nothing of an answer was given to the caller."""
        return not self._committed

    def _done(self) -> None:
        """The call is over."""

    # Attempts, one after the other. All of this is synchronous, but for the search.

    def begin(self) -> Self:
        """Send the first attempt, at once if an instance is ready. Called once, by the multicallable."""
        try:
            node = self._method.choose()
        except MusterError:
            self._search(0.0)
        else:
            self._send(node, self._terms.timeout)
        return self

    def _send(self, node: Node[Link], timeout: float | None) -> None:
        link = node.link
        assert link is not None, "a node is chosen only while it has a link"
        self._sent = time.monotonic()
        inner = self._start(self._method.bind(link), timeout)
        node.begin()
        link.hold()
        self._node, self._link, self._inner = node, link, inner
        inner.add_done_callback(self._ended)
        if self._waiters:
            self._wake()

    def _ended(self, inner: Any) -> None:
        """The done callback of every attempt: record how it ended, and decide."""
        link = self._link
        if inner is not self._inner or link is None or self._searching is not None:
            return
        outcome = self._outcome(inner, link)
        if is_doubtful(outcome, self._details):
            self._aside(self._clarify(inner, link))
        else:
            self._conclude(outcome)

    async def _clarify(self, inner: Any, link: Link) -> None:
        await clarified(inner, link)
        self._searching = None
        self._conclude(self._outcome(inner, link))

    def _outcome(self, inner: Any, link: Link) -> Outcome:
        outcome, self._details = ending_of(inner, link, time.monotonic() - self._sent)
        self._cancelled = self._cancelled or self._details in _LOCAL
        return outcome

    def _conclude(self, outcome: Outcome) -> None:
        node = self._let_go(outcome)
        if node is None or outcome.ok or self._cancelled:
            self._finish()
        else:
            self._failed(node, outcome)

    def _let_go(self, outcome: Outcome) -> Node[Link] | None:
        """The attempt under way, if there is one, no longer counts. Returns its node."""
        node, link = self._node, self._link
        if node is None or link is None:
            return None
        self._node = self._link = None
        node.end(outcome)
        link.release()
        return node

    def _failed(self, node: Node[Link], outcome: Outcome) -> None:
        self._tried.append(node)
        state = self._state or Attempts(self._method.idempotent, self._deadline)
        self._state = state = state.after(outcome)
        decision = self._method.decide(state, outcome, self._tried, repeatable=self._repeatable())
        self._method.tell(node, outcome, state, decision)
        match decision:
            case Fail():
                self._give_up(node, outcome)
            case Wait(seconds):
                self._search(seconds)
            case _:
                self._again()

    def _again(self) -> None:
        try:
            node = self._method.choose(self._tried)
        except MusterError:
            self._search(0.0)
        else:
            self._resend(node)

    def _resend(self, node: Node[Link]) -> None:
        """As `_send`, where no caller is there to be told of what cannot be sent."""
        try:
            self._send(node, remaining(self._deadline, time.monotonic()))
        except Exception as error:
            self._end_with(grpc.StatusCode.INTERNAL, f"cannot send the request: {error!r}", error)

    def _give_up(self, node: Node[Link], outcome: Outcome) -> None:
        """The last attempt's error is the caller's. Where the transport speaks, and not the application, it names the
        instance, which also keeps it from being taken for a transport's error again when somebody passes it on."""
        if outcome.unprocessed or self._details.startswith("Stream removed ("):
            inner = self._inner
            self._error = grpc.aio.AioRpcError(
                at_once(inner.code()),
                at_once(inner.initial_metadata()),
                at_once(inner.trailing_metadata()),
                f"{node.instance.id} at {node.instance.address}: {self._details}",
                at_once(inner.debug_error_string()),
            )
        self._finish()

    def _search(self, pause: float) -> None:
        self._aside(self._find(pause))

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        """What cannot be decided at once. Meanwhile `_searching` is set."""
        self._searching = self._method.spawn(work)
        self._searching.add_done_callback(self._dropped)

    def _dropped(self, task: asyncio.Task[None]) -> None:
        """The client closes: it cancels its tasks, perhaps before they have begun."""
        if task.cancelled():
            self._end_with(grpc.StatusCode.CANCELLED, LOCALLY_CANCELLED)

    async def _find(self, pause: float) -> None:
        """Wait for `pause` seconds, then for an instance, and send the next attempt; ends the call if there is none."""
        try:
            async with asyncio.timeout(remaining(self._deadline, time.monotonic())):
                await asyncio.sleep(pause)
                node = await self._method.wait(self._tried, wait_for_ready=self._terms.wait_for_ready)
        except TimeoutError:
            self._end_with(grpc.StatusCode.DEADLINE_EXCEEDED, f"while waiting: {self._method.why()}")
        except MusterError as error:
            code = grpc.StatusCode.CANCELLED if self._method.closed else grpc.StatusCode.UNAVAILABLE
            self._end_with(code, str(error), error)
        else:
            self._searching = None
            self._resend(node)

    def _end_with(self, code: grpc.StatusCode, details: str, cause: Exception | None = None) -> None:
        """End without another attempt; the error tells of a failed one too."""
        if self._over:
            return
        if self._details:
            details = f"{self._details}; then {details}"
        self._error = grpc.aio.AioRpcError(code, grpc.aio.Metadata(), grpc.aio.Metadata(), details, details)
        self._error.__cause__ = cause
        self._finish()

    def _finish(self) -> None:
        self._let_go(_GIVEN_UP)
        self._over = True
        self._searching = None
        self._done()
        self._wake()
        for callback in self._callbacks:
            callback(self)

    def _wake(self) -> None:
        for future in self._waiters:
            if not future.done():
                future.set_result(None)
        self._waiters.clear()

    # How awaiting follows the attempts.

    async def _moved(self) -> None:
        """Returns when an attempt has been sent, or the call is over."""
        future = asyncio.get_running_loop().create_future()
        self._waiters.append(future)
        await future

    async def _attempt(self) -> Any:
        """The attempt under way or the last one. Raises the error of a call that ended without one."""
        while self._searching is not None:
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
        """After `inner` failed: whether another attempt follows. Raises the call's own error, if it has one."""
        if inner.done():  # its callback may be due only after whoever awaits
            self._ended(inner)
        self._raise()
        return self._searching is not None or inner is not self._inner

    async def _settled(self) -> Any:
        """The last attempt once the call is over; None if it ended without one."""
        while not self._over:
            await self._moved()
        return self._inner if self._error is None else None

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
                    if inner is self._inner and self._searching is None:
                        return answer
        except asyncio.CancelledError:
            self._cancelled = True
            self.cancel()
            raise

    # grpc.aio.Call

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
        if self._searching is None:
            return bool(self._inner.cancel())
        self._searching.cancel()
        self._end_with(grpc.StatusCode.CANCELLED, LOCALLY_CANCELLED)
        return True

    def add_done_callback(self, callback: Callable[[Any], None]) -> None:
        if self._over:
            callback(self)
        else:
            self._callbacks.append(callback)

    async def initial_metadata(self) -> Any:
        while True:
            inner = await self._attempt()
            metadata = await inner.initial_metadata()
            if inner is self._inner and self._searching is None:
                self._committed = True
                return metadata

    async def trailing_metadata(self) -> Any:
        inner = await self._settled()
        return self._error.trailing_metadata() if self._error is not None else await inner.trailing_metadata()

    async def code(self) -> grpc.StatusCode:
        inner = await self._settled()
        return self._error.code() if self._error is not None else await inner.code()

    async def details(self) -> Any:
        inner = await self._settled()
        return self._error.details() if self._error is not None else await inner.details()

    async def debug_error_string(self) -> Any:
        inner = await self._settled()
        return self._error.debug_error_string() if self._error is not None else await inner.debug_error_string()

    async def wait_for_connection(self) -> None:
        await self._following(lambda inner: inner.wait_for_connection())
