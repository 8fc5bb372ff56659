"""How an attempt over HTTP ended, as an Outcome. Pure."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime
from http import HTTPStatus

import aiohttp
from aiohttp import hdrs

from muster.http.client.errors import NotTaken
from muster.model.outcome import Outcome
from muster.rpc.status import code_from_http

TRY_AGAIN = frozenset({502, 503, 504})
"""What servers and proxies answer that could not do it now; another instance may (RFC 9110, sections 15.6.3 to 5)."""

REFUSED = "FAILED_PRECONDITION"
"""For 4xx: what was wrong with the request. None of them speaks against the instance, as some gRPC codes do that 405,
413 and 429 are mapped to."""

FULL = "RESOURCE_EXHAUSTED"
"""For a 429 that says when to come again (RFC 6585, section 4)."""

NO_ROOM = "ABORTED"
"""For a request that found no free connection in the time that its caller gave it: the limit is the client's own, so it
speaks against nobody, and another attempt would wait as long again."""

CUT_OFF = (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError, aiohttp.ClientPayloadError)
"""The connection ended before the answer did."""


def of_status(status: int, headers: Mapping[str, str], seconds: float) -> Outcome:
    """The outcome of an attempt that was answered with `status`."""
    if status < 400:
        return Outcome("OK", False, seconds)
    if status == HTTPStatus.TOO_MANY_REQUESTS and (pause := retry_after(headers, time.time())) is not None:
        return Outcome(FULL, False, seconds, pause)
    if status < 500:
        return Outcome(REFUSED, False, seconds)
    if status in TRY_AGAIN:
        return Outcome("UNAVAILABLE", False, seconds, retry_after(headers, time.time()))
    return Outcome(code_from_http(status), False, seconds)


def answered_so(outcome: Outcome) -> Outcome:
    """What an outcome that is FULL says of the instance: it answered. The caller asks too often, also elsewhere."""
    return Outcome(REFUSED, False, outcome.seconds)


def of_error(error: BaseException, seconds: float) -> Outcome:
    """The outcome of an attempt that ended with `error`."""
    match error:
        case aiohttp.ConnectionTimeoutError() if not isinstance(error.__cause__, NotTaken):
            return Outcome(NO_ROOM, seconds=seconds)
        case aiohttp.ClientConnectorError() | aiohttp.ConnectionTimeoutError():
            # aiohttp raises these before a connection stands, so that nothing of the request was sent.
            return Outcome("UNAVAILABLE", unprocessed=True, seconds=seconds)
        case TimeoutError():
            return Outcome("DEADLINE_EXCEEDED", seconds=seconds)
        case _ if isinstance(error, CUT_OFF):
            return Outcome("UNAVAILABLE", seconds=seconds)
        case asyncio.CancelledError():
            return Outcome("CANCELLED", seconds=seconds)
        case aiohttp.ClientResponseError() | aiohttp.http.HttpProcessingError():
            return Outcome("INTERNAL", seconds=seconds)
        case _:
            return Outcome("UNKNOWN", seconds=seconds)


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Seconds that `Retry-After` asks to wait, from `now` in seconds since the epoch; None if it asks for nothing that
    can be understood (RFC 9110, section 10.2.3)."""
    text = headers.get(hdrs.RETRY_AFTER, "").strip()
    if text.isascii() and text.isdigit():
        return float(text[:9])
    try:
        when = parsedate_to_datetime(text)
        # The old form of C's asctime has no zone: all dates of HTTP are in UTC (section 5.6.7).
        return max(0.0, (when if when.tzinfo else when.replace(tzinfo=UTC)).timestamp() - now)
    except (ValueError, OverflowError):
        return None
