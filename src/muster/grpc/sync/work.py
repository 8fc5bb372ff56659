"""A call as the caller has asked for it."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any

from muster.balance.nodes import Node
from muster.client.background import Background
from muster.grpc.attempting import Terms
from muster.grpc.link import Link
from muster.grpc.method import Method
from muster.grpc.sync.requests import Requests

Ask = Callable[[Any], Callable[..., Any]]
"""Which of a multicallable's ways to be called is used: itself, its `with_call` or its `future`."""


itself: Ask = attrgetter("blocking")
with_call: Ask = attrgetter("blocking.with_call")
future: Ask = attrgetter("blocking.future")


class Work:
    """What it takes to make a call. `request`: a message, or the Requests of a stream."""

    __slots__ = ("ask", "background", "method", "request", "terms")

    def __init__(self, background: Background, method: Method, terms: Terms, ask: Ask, request: Any) -> None:
        self.background = background
        self.method = method
        self.terms = terms
        self.ask = ask
        self.request = request

    def message(self) -> Any:
        """What an attempt is given to send."""
        return self.request.read() if isinstance(self.request, Requests) else self.request


class Direct(Work):
    """A call that the calling thread makes itself, and its first attempt, once there is one (`direct`): since `began`.

    One object and not two, since there is one for every call.
    """

    __slots__ = ("began", "key", "link", "node", "stub")

    began: float
    node: Node[Link]
    link: Link
    stub: Callable[..., Any]
    key: str | None
