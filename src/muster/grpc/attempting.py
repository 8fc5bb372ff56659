"""The attempts of one call, one after the other.

The present attempt is an ordinary grpc.aio call (`_inner`). Its done callback, and not whoever awaits, decides whether
there will be another: so a call goes on by itself also when nobody awaits it.

    begin ──> sent ── done ──> over
      │         ↑  └─ done, doubtful ──> aside: clarify ──┐
      │         └──── aside: find another ◄── failed ◄────┤
      └─────────────> aside: find one ──> over            └──> over

All decisions are synchronous; what has to wait is done aside, in a task of the client.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Self

import grpc
import grpc.aio

from muster.balance.nodes import Node
from muster.call.attempt import Attempts, Fail, Wait
from muster.call.deadline import deadline_of, hurried, remaining
from muster.grpc.ending import TRANSPORT, at_once, clarified, ending_of, is_doubtful
from muster.grpc.link import Link
from muster.model.errors import MusterError, Overloaded
from muster.model.outcome import Outcome
from muster.rpc.current import within

if TYPE_CHECKING:
    from muster.grpc.method import Method

LOCALLY_CANCELLED = "Locally cancelled by application!"
"""grpc.aio's own words for it."""

_LOCAL = (LOCALLY_CANCELLED, "Cancelled upon garbage collection!")
_GIVEN_UP = Outcome("CANCELLED")


class Terms:
    """What the caller asked for besides the request. `timeout` is for the whole call, and no longer than what the call
    that is being served has left; `own` is without that."""

    __slots__ = ("compression", "credentials", "metadata", "own", "timeout", "wait_for_ready")

    def __init__(self, timeout: float | None, metadata: Any, credentials: Any, wait_for_ready: Any, compression: Any):
        self.own = timeout
        self.timeout = within(timeout)
        self.metadata = metadata
        self.credentials = credentials
        self.wait_for_ready = wait_for_ready
        self.compression = compression


class Attempting:
    """Sends attempts until one of them is the answer. Subclasses say how an attempt is started.

    `counts`: whether it is a call of its own, by which the retry budget grows.
    """

    counts = True

    # What most calls never set stays on the class: one call in flight costs that much less.
    _inner: Any = None
    _node: Node[Link] | None = None
    _link: Link | None = None
    _key: str | None = None
    _aside: asyncio.Task[None] | None = None
    _state: Attempts | None = None
    _tried: tuple[Node[Link], ...] = ()
    _details = ""
    _error: grpc.aio.AioRpcError | None = None
    _over = False
    _cancelled = False
    _committed = False
    _waiters: tuple[asyncio.Future[None], ...] = ()
    _callbacks: tuple[Callable[[Any], None], ...] = ()

    def __init__(self, method: Method, terms: Terms) -> None:
        """Raises UsageError on a closed channel."""
        if method.closed:
            raise grpc.aio.UsageError("Channel is closed.")
        self._method = method
        self._terms = terms
        self._sent = now = time.monotonic()
        self._deadline = deadline_of(terms.timeout, now)
        if self.counts:
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

    # Sending.

    def begin(self) -> Self:
        """Send the first attempt, at once if an instance is ready. Called once, by the multicallable."""
        method, timeout = self._method, self._terms.timeout
        if timeout is not None and timeout <= 0:
            self._end_with(grpc.StatusCode.DEADLINE_EXCEEDED, "no time was left to send it")
            return self
        if method.keyed:
            self._key = method.key_in(self._terms.metadata)
        try:
            node = method.choose((), self._key)
        except MusterError:
            self._search(0.0)
        else:
            self._send(node, method.limit(self._state, timeout) if method.limited else timeout)
        return self

    def _send(self, node: Node[Link], timeout: float | None) -> None:
        link = node.link
        assert link is not None, "a node is chosen only while it has a link"
        inner = self._start(self._method.bind(link), timeout)
        node.begin()
        link.hold()
        if self._method.turnstile is not None:
            self._method.turnstile.began()
        self._node, self._link, self._inner = node, link, inner
        inner.add_done_callback(self._ended)

    def _resend(self, node: Node[Link]) -> None:
        """As `_send`, where no caller is there to be told of what cannot be sent."""
        self._sent = now = time.monotonic()
        left = remaining(self._deadline, now)
        try:
            self._send(node, self._method.limit(self._state, left))
        except Exception as error:
            self._end_with(grpc.StatusCode.INTERNAL, f"cannot send the request: {error!r}", error)
        else:
            self._wake()

    # An attempt has ended.

    def _ended(self, inner: Any) -> None:
        """The done callback of every attempt; further calls for the same one do nothing."""
        link = self._link
        if inner is not self._inner or link is None or self._aside is not None:
            return
        outcome = self._outcome(inner, link)
        if is_doubtful(outcome, self._details):
            self._put_aside(self._clarify(inner, link))
        else:
            self._conclude(outcome)

    async def _clarify(self, inner: Any, link: Link) -> None:
        await clarified(inner, link)
        self._aside = None
        self._conclude(self._outcome(inner, link))

    def _outcome(self, inner: Any, link: Link) -> Outcome:
        outcome, self._details = ending_of(inner, link, time.monotonic() - self._sent)
        if self._details in _LOCAL:
            self._cancelled = True
        if outcome.code == "DEADLINE_EXCEEDED" and self._was_hurried():
            return outcome._replace(hurried=True)
        return outcome

    def _was_hurried(self) -> bool:
        """Whether the present attempt had too little time to speak against its instance."""
        limit, state = self._method.limit, self._state
        had = limit(state, remaining(self._deadline, self._sent))
        return hurried(had, limit(state, self._terms.own), None if self._node is None else self._node.usual)

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
        if self._method.turnstile is not None:
            self._method.turnstile.ended(node, outcome)
        return node

    def _failed(self, node: Node[Link], outcome: Outcome) -> None:
        method = self._method
        state = self._state or Attempts(method.idempotent, self._deadline)
        self._state = state = state.after(outcome)
        self._tried = (*self._tried, node)
        decision = method.decide(state, outcome, self._tried, repeatable=self._repeatable())
        method.tell(node, outcome, state, decision)
        match decision:
            case Fail():
                self._give_up(node, outcome)
            case Wait(seconds):
                self._search(seconds)
            case _:
                self._again()

    def _again(self) -> None:
        try:
            node = self._method.choose(self._tried, self._key)
        except MusterError:
            self._search(0.0)
        else:
            self._resend(node)

    def _give_up(self, node: Node[Link], outcome: Outcome) -> None:
        """The last attempt's error is the caller's. Where the transport speaks, and not the application, it names the
        instance, which also keeps it from being taken for a transport's error again when somebody passes it on.

        It has no initial metadata: of a sync stream that may come after the status, on the very thread that is here,
        which would wait for itself.
        """
        if outcome.unprocessed or self._details.startswith(TRANSPORT):
            inner = self._inner
            self._error = grpc.aio.AioRpcError(
                at_once(inner.code()),
                grpc.aio.Metadata(),
                at_once(inner.trailing_metadata()),
                f"{node.instance.id} at {node.instance.address}: {self._details}",
                at_once(inner.debug_error_string()),
            )
        self._finish()

    # Aside.

    def _search(self, pause: float) -> None:
        self._put_aside(self._find(pause))

    def _put_aside(self, work: Coroutine[Any, Any, None]) -> None:
        self._aside = self._method.spawn(work)
        self._aside.add_done_callback(self._dropped)

    def _dropped(self, task: asyncio.Task[None]) -> None:
        """The client closes: it cancels its tasks, perhaps before they have begun."""
        if task.cancelled():
            self._end_with(grpc.StatusCode.CANCELLED, LOCALLY_CANCELLED)

    async def _find(self, pause: float) -> None:
        """Wait for `pause` seconds, then for an instance, and send the next attempt; ends the call if there is none."""
        method = self._method
        try:
            async with asyncio.timeout(remaining(self._deadline, time.monotonic())):
                await asyncio.sleep(pause)
                node = await method.wait(self._tried, self._key, wait_for_ready=bool(self._terms.wait_for_ready))
        except TimeoutError:
            self._end_with(grpc.StatusCode.DEADLINE_EXCEEDED, f"no time left: {method.why()}")
        except Overloaded as error:
            self._end_with(grpc.StatusCode.RESOURCE_EXHAUSTED, str(error), error)
        except MusterError as error:
            code = grpc.StatusCode.CANCELLED if method.closed else grpc.StatusCode.UNAVAILABLE
            self._end_with(code, str(error), error)
        else:
            self._aside = None
            self._resend(node)

    # The end.

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
        self._aside = None
        self._done()
        self._wake()
        for callback in self._callbacks:
            self._call_back(callback)

    def _call_back(self, callback: Callable[[Any], None]) -> None:
        """As asyncio does with callbacks: one that raises harms nobody but itself, and is told of."""
        try:
            callback(self)
        except Exception as error:
            told = {"message": f"a done callback of {self._method.path} raised", "exception": error}
            asyncio.get_running_loop().call_exception_handler(told)

    def _wake(self) -> None:
        waiters, self._waiters = self._waiters, ()
        for future in waiters:
            if not future.done():
                future.set_result(None)

    async def _moved(self) -> None:
        """Returns when another attempt has been sent, or the call is over."""
        future = asyncio.get_running_loop().create_future()
        self._waiters = (*self._waiters, future)
        await future
