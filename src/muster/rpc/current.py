"""The call being served: who calls, and until when the answer is wanted.

Servers set it around every handler; clients read it, so that a call made while serving another never outlives it. It
is a context variable: tasks that a handler starts inherit it, threads that it starts do not.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from muster.call.deadline import effective_timeout
from muster.call.deadline import remaining as seconds_left

Pairs = Iterable[tuple[str, str | bytes]]


def no_metadata() -> Pairs:
    return ()


@dataclass(frozen=True, slots=True)
class Served:
    """A call that this program serves.

    `method`: as the wire has it. `caller`: the address that it comes from, as the transport writes it.
    `deadline`: in seconds of the monotonic clock; None where the caller waits for ever. `read` gives what came with the
    call beside its request, when it is asked for: few handlers look.
    """

    method: str
    caller: str = ""
    deadline: float | None = None
    read: Callable[[], Pairs | None] = field(default=no_metadata, repr=False, compare=False)

    @property
    def metadata(self) -> tuple[tuple[str, str | bytes], ...]:
        """gRPC's metadata or HTTP's headers, names in lower case. Values are bytes only for names that end in -bin."""
        return tuple((str(name), value) for name, value in self.read() or ())

    def get(self, name: str) -> str:
        """The first value of that name in the metadata, as text; empty where there is none. `name` in lower case."""
        value = next((value for key, value in self.metadata if key == name), "")
        return value if isinstance(value, str) else value.decode("latin-1")

    @property
    def trace(self) -> str:
        """The caller's trace context as it was sent (https://www.w3.org/TR/trace-context/), or empty."""
        return self.get("traceparent")

    @property
    def remaining(self) -> float | None:
        """Seconds until the caller gives up, never negative; None for no end."""
        return seconds_left(self.deadline, time.monotonic())


serving: ContextVar[Served | None] = ContextVar("muster_serving", default=None)
"""Set by servers, around a handler."""


def served() -> Served | None:
    """The call that is being served here; None outside of any."""
    return serving.get()


def current_call() -> Served:
    """The call that is being served here. Raises RuntimeError outside of any."""
    call = serving.get()
    if call is None:
        raise RuntimeError("no call is being served here: ask within a handler, or in a task that it has started")
    return call


def remaining() -> float | None:
    """Seconds until the caller of the call being served gives up, never negative; None for no end, or no such call."""
    call = serving.get()
    return None if call is None else call.remaining


def within(timeout: float | None) -> float | None:
    """`timeout`, or what the call being served has left if that is less: what clients give to the calls they make."""
    call = serving.get()
    if call is None or call.deadline is None:
        return timeout
    return effective_timeout(timeout, call.deadline, time.monotonic())


@contextmanager
def detached() -> Iterator[None]:
    """Within the block nothing is being served: for work that goes on after the answer. Tasks that are started in the
    block inherit that."""
    token = serving.set(None)
    try:
        yield
    finally:
        serving.reset(token)
