"""A call as the caller has asked for it."""

from __future__ import annotations

from collections.abc import Callable
from operator import attrgetter
from typing import Any, NamedTuple

from muster.client.background import Background
from muster.grpc.attempting import Terms
from muster.grpc.method import Method
from muster.grpc.sync.requests import Requests

Ask = Callable[[Any], Callable[..., Any]]
"""Which of a multicallable's ways to be called is used: itself, its `with_call` or its `future`."""


with_call: Ask = attrgetter("with_call")
future: Ask = attrgetter("future")


def itself(stub: Any) -> Callable[..., Any]:
    """The multicallable, called as it is."""
    call: Callable[..., Any] = stub
    return call


class Work(NamedTuple):
    """What it takes to make a call. `request`: a message, or the Requests of a stream."""

    background: Background
    method: Method
    terms: Terms
    ask: Ask
    request: Any

    def message(self) -> Any:
        """What an attempt is given to send."""
        return self.request.read() if isinstance(self.request, Requests) else self.request
