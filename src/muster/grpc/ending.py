"""How an attempt on a gRPC channel ended, as an Outcome."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, TypeVar

import grpc
import grpc.aio

from muster.grpc.link import Link
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

PUSHBACK = "grpc-retry-pushback-ms"
"""https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback"""

ANSWERS = frozenset(
    (
        "OK",
        "INVALID_ARGUMENT",
        "NOT_FOUND",
        "ALREADY_EXISTS",
        "PERMISSION_DENIED",
        "FAILED_PRECONDITION",
        "ABORTED",
        "OUT_OF_RANGE",
        "UNAUTHENTICATED",
    )
)
"""Codes that are answers of an application, and no sign that anything is wrong with the instance."""


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


def unprocessed(details: str, connected: bool) -> bool:
    """Whether an attempt that failed with `details` was certainly not processed. `connected`: its link still is.

    A server can send any of these texts, by passing on the error of a call of its own; so what would have cost the
    connection does not count where the connection stands, and muster's own clients never raise them unaltered.
    """
    if details == REFUSED_STREAM:
        return True
    return not connected and details.startswith((*NEVER_SENT, GOING_AWAY))


def pushback(trailing: grpc.aio.Metadata | None) -> float | None:
    """The pause that the server asks for, in seconds: negative for "not again", None if it says nothing."""
    text = trailing.get(PUSHBACK) if trailing else None
    if text is None:
        return None
    return int(text) / 1000 if isinstance(text, str) and text.isascii() and text.isdigit() else -1.0


def ending_of(call: Any, link: Link, seconds: float) -> tuple[Outcome, str]:
    """How an attempt that is done has ended, and the details of its status. `call`: of grpc.aio, intercepted or not."""
    try:
        code = at_once(call.code())
        if code is grpc.StatusCode.OK:
            return Outcome("OK", seconds=seconds), ""
        details = at_once(call.details()) or ""
        pause = pushback(at_once(call.trailing_metadata()))
    except Exception:
        # An interceptor raised something of its own; whoever awaits the call gets that.
        return Outcome("UNKNOWN", seconds=seconds), ""
    return Outcome(code.name, unprocessed(details, link.connected), seconds, pause), details
