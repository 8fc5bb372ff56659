"""One method of a service on one channel: what its calls have in common."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from google.protobuf import descriptor_pool
from google.protobuf.descriptor_pb2 import MethodOptions

from muster.balance.nodes import FAULTS, Node
from muster.call.attempt import Attempts, Decision, Fail, Retrier, attempt_timeout
from muster.call.hedge import Hedger
from muster.call.retry import Idempotent
from muster.client.pool import Pool
from muster.client.turnstile import Turnstile
from muster.grpc.link import Link, Spawn
from muster.model.events import AttemptFailed, CallHedged, Observer, RetryBudgetExhausted
from muster.model.outcome import Outcome


class Kind(StrEnum):
    """The values are the names of the methods of grpc.aio.Channel."""

    UNARY_UNARY = "unary_unary"
    UNARY_STREAM = "unary_stream"
    STREAM_UNARY = "stream_unary"
    STREAM_STREAM = "stream_stream"


@dataclass(frozen=True)
class Calling:
    """How the calls of one channel are made. `timeout` is for unary calls that name none; None for no end.
    `retries` tells whether failed attempts may be repeated at this moment, `hedges` whether calls may be sent twice;
    `hedger` when, or None for never. `turnstile`: limits for calls under way, or None for none."""

    retrier: Retrier
    spawn: Spawn
    idempotent: Idempotent
    timeout: float | None
    observe: Observer
    retries: Callable[[], bool]
    turnstile: Turnstile[Link] | None = None
    hedger: Hedger | None = None
    hedges: Callable[[], bool] = lambda: True


class Method:
    """A method on a channel: chooses instances for its calls and knows its stub on each link.

    `draw`: as `choose`, for who asks the node's link himself whether it is connected, and says so by `lost` if not.
    """

    def __init__(self, pool: Pool[Link], calling: Calling, kind: Kind, path: str, arguments: tuple[Any, ...]) -> None:
        self.path = path
        self.spawn = calling.spawn
        self.retrier = calling.retrier
        self.default_timeout = calling.timeout if kind is Kind.UNARY_UNARY else None
        self.idempotent = path in calling.idempotent or declared_idempotent(path)
        # A stream lasts as long as it likes: no attempt of one is cut off.
        one_answer = kind in (Kind.UNARY_UNARY, Kind.STREAM_UNARY)
        self._cut_off = one_answer and calling.retrier.policy.attempt_timeout is not None
        self.limited = self._cut_off or calling.turnstile is not None
        self.turnstile = calling.turnstile
        self.hedged = calling.hedger is not None and self.idempotent and kind is Kind.UNARY_UNARY
        self.keyed = bool(pool.key)
        self._pool = pool
        self._entrance = calling.turnstile or pool
        self.draw = self._entrance.choose
        self._calling = calling
        self._kind = kind
        self._arguments = arguments
        self._bound: dict[Link, Callable[..., Any]] = {}

    @property
    def closed(self) -> bool:
        return self._pool.closed

    def choose(self, tried: Collection[Node[Link]] = (), key: str | None = None) -> Node[Link]:
        """As Pool.choose, and the node is connected at this very moment."""
        while not self._is_connected(node := self.draw(tried, key)):
            pass
        return node

    async def wait(self, tried: Collection[Node[Link]], key: str | None = None, *, wait_for_ready: bool) -> Node[Link]:
        """As Pool.wait, and the node is connected at this very moment."""
        while not self._is_connected(node := await self._entrance.wait(tried, key, wait_for_ready=wait_for_ready)):
            pass
        return node

    def key_in(self, metadata: Any) -> str | None:
        """The key that a call's metadata has for a picker that hashes."""
        return next((str(value) for name, value in metadata or () if name == self._pool.key), None)

    def _is_connected(self, node: Node[Link]) -> bool:
        connected = node.link is not None and node.link.connected
        if not connected:
            self.lost(node)
        return connected

    def lost(self, node: Node[Link]) -> None:
        """The node is not connected: it will not be chosen again before its connection has reported anew."""
        self._pool.suspect(node, "the connection was lost")

    def why(self) -> str:
        """Why nobody can be called, for an error's text."""
        return self._pool.why()

    def bind(self, link: Link) -> Callable[..., Any]:
        """The method's multicallable on the instance's own channel."""
        bound = self._bound.get(link)
        return bound if bound is not None else self._bind(link)

    def _bind(self, link: Link) -> Callable[..., Any]:
        self._bound = {old: bound for old, bound in self._bound.items() if not old.retired}
        make: Callable[..., Callable[..., Any]] = getattr(link.channel, self._kind.value)
        bound = self._bound[link] = make(self.path, *self._arguments)
        return bound

    def limit(self, state: Attempts | None, left: float | None) -> float | None:
        """Seconds for the next attempt of a call that has `left`; `state` is None before the first has ended."""
        if not self._cut_off or not self._calling.retries():
            return left
        return attempt_timeout(state or Attempts(self.idempotent), self.retrier.policy, left)

    def hedge_after(self) -> float | None:
        """Seconds after which a call that is `hedged` is sent a second time; None: it is not."""
        hedger = self._calling.hedger
        return hedger.delay(self.path) if hedger is not None and self._calling.hedges() else None

    def may_hedge(self, node: Node[Link]) -> bool:
        """Whether the budget allows a second call now, to `node`; it is charged for it."""
        allowed = self.retrier.budget.withdraw(time.monotonic())
        if allowed:
            self._calling.observe(CallHedged(self._pool.name, self.path, node.instance.id))
        return allowed

    def answered(self, seconds: float) -> None:
        """A call that is `hedged` was answered so many seconds after it was first sent."""
        if self._calling.hedger is not None:
            self._calling.hedger.record(self.path, seconds)

    def decide(self, state: Attempts, outcome: Outcome, tried: Collection[Node[Link]], *, repeatable: bool) -> Decision:
        """What to do after an attempt that failed."""
        if not self._calling.retries():
            return Fail()
        state = replace(state, repeatable=repeatable)
        return self.retrier.decide(state, outcome, time.monotonic(), elsewhere=self._pool.elsewhere(tried))

    def tell(self, node: Node[Link], outcome: Outcome, state: Attempts, decision: Decision) -> None:
        """Tell the observer of an attempt that failed, unless it ended with an answer of the application."""
        name, observe = self._pool.name, self._calling.observe
        retrying = not isinstance(decision, Fail)
        if isinstance(decision, Fail) and decision.exhausted:
            observe(RetryBudgetExhausted(name, self.path))
        if retrying or outcome.code in FAULTS:
            number = state.sent + state.resent
            observe(AttemptFailed(name, self.path, node.instance.id, outcome.code, number, retrying))


def declared_idempotent(path: str) -> bool:
    """Whether the method's proto says so by its idempotency_level, if its descriptor has been imported."""
    try:
        method = descriptor_pool.Default().FindMethodByName(path.strip("/").replace("/", "."))
    except KeyError:
        return False
    return method.GetOptions().idempotency_level in (MethodOptions.NO_SIDE_EFFECTS, MethodOptions.IDEMPOTENT)
