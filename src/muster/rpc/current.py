"""The call being served: who calls, and until when the answer is wanted.

Servers set it around every handler; clients read it, so that a call made while serving another never outlives it. It
is a context variable: tasks that a handler starts inherit it, threads that it starts do not.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from muster.call.deadline import effective_timeout
from muster.call.deadline import remaining as seconds_left


@dataclass(frozen=True, slots=True)
class Served:
    """A call that this program serves.

    `method`: as the wire has it. `caller`: the address that it comes from, as the transport writes it.
    `deadline`: in seconds of the monotonic clock; None where the caller waits for ever.
    """

    method: str
    caller: str = ""
    deadline: float | None = None


serving: ContextVar[Served | None] = ContextVar("muster_serving", default=None)
"""Set by servers, around a handler."""


def served() -> Served | None:
    """The call that is being served here; None outside of any."""
    return serving.get()


def remaining() -> float | None:
    """Seconds until the caller of the call being served gives up, never negative; None for no end, or no such call."""
    call = serving.get()
    return None if call is None else seconds_left(call.deadline, time.monotonic())


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
