"""How an attempt on a gRPC channel ended, as an Outcome."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc
import grpc.aio

from muster.grpc.link import Link
from muster.grpc.provisional import PROVISIONAL
from muster.grpc.pushback import pushback
from muster.grpc.refusal import REFUSED
from muster.model.outcome import Outcome

T = TypeVar("T")

NEVER_SENT = ("failed to connect to all addresses", "DNS resolution failed")
"""What an error's text begins with when there was no connection. gRPC tells in no other way that a request was never
processed; tests pin the texts on real connections."""

GOING_AWAY = "Stream removed (GOAWAY received;"
"""The connection's end had been announced, and this stream came after it (RFC 9113, section 6.8). A stream that came
before and was cut off has another text: "Stream removed (Socket closed (GOAWAY received; ..."."""

REFUSED_STREAM = "Stream removed (RST_STREAM (Received RST_STREAM with error code 7))"
"""The server promises that it has not processed this stream (RFC 9113, section 8.7)."""

TRANSPORT = ("Stream removed (", "Deadline Exceeded")
"""How details begin that gRPC's transport gives, and no application."""

CLARIFICATION = 0.1
"""Seconds; gRPC takes about 1 ms to change the state of a channel after it has failed the channel's calls."""


def at_once(coroutine: Coroutine[Any, Any, T]) -> T:
    """The result of a coroutine that need not wait: the status of a call that is done, in its callback (0.7 µs).

    Raises what the coroutine raises, and RuntimeError if it does wait.
    """
    try:
        coroutine.send(None)
    except StopIteration as stop:
        value: T = stop.value
        return value
    coroutine.close()
    raise RuntimeError("the call is not done")


def claims_loss(details: str) -> bool:
    """Whether an error says that the connection was lost, or never made, before the call could be processed.

    A claim only: a servicer sends the same text when it passes on the error of a call of its own. It is true if the
    link has lost its connection; muster's own clients never raise these texts unaltered.
    """
    return details.startswith((*NEVER_SENT, GOING_AWAY))


def ending_of(call: Any, link: Link, seconds: float) -> tuple[Outcome, str]:
    """How an attempt that is done has ended, and the details of its status. `call`: of grpc.aio, intercepted or not."""
    try:
        code = at_once(call.code())
        if code is grpc.StatusCode.OK:
            return Outcome("OK", seconds=seconds), ""
        details = at_once(call.details()) or ""
        trailing = at_once(call.trailing_metadata())
    except Exception:
        # An interceptor raised something of its own; whoever awaits the call gets that.
        return Outcome("UNKNOWN", seconds=seconds), ""
    unprocessed = details == REFUSED_STREAM or (claims_loss(details) and not link.connected)
    unread = trailing is not None and trailing.get(REFUSED) is not None
    return Outcome(code.name, unprocessed, seconds, pushback(trailing), unread), details


def is_doubtful(outcome: Outcome, details: str) -> bool:
    """Whether the ending is not certain at the moment when the call is done, so that `clarified` may change it."""
    return not outcome.unprocessed and (details == PROVISIONAL or claims_loss(details))


async def clarified(call: Any, link: Link) -> None:
    """Returns when `ending_of` a doubtful call is certain, after CLARIFICATION seconds at the latest."""
    try:
        async with asyncio.timeout(CLARIFICATION):
            while at_once(call.details()) == PROVISIONAL:  # noqa: ASYNC110 (nobody is told when it is replaced)
                await asyncio.sleep(0.001)
            if claims_loss(at_once(call.details())):
                await link.lost()
    except TimeoutError:
        return
