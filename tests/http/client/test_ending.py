"""How an attempt over HTTP ended."""

from __future__ import annotations

import asyncio
from unittest.mock import Mock

import aiohttp
import pytest

from muster.http.client.ending import answered_so, of_error, of_status, retry_after
from muster.http.client.errors import NotTaken, Stranger
from muster.model.outcome import Outcome

KEY = Mock(host="greeter", port=80, is_ssl=False, ssl=True)
NOT_TAKEN = aiohttp.ConnectionTimeoutError("late")
NOT_TAKEN.__cause__ = NotTaken()
CONNECTOR_ERROR = aiohttp.ClientConnectorError(KEY, OSError(111, "refused"))


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (101, "OK"),
        (200, "OK"),
        (302, "OK"),
        (404, "FAILED_PRECONDITION"),
        (405, "FAILED_PRECONDITION"),
        (429, "FAILED_PRECONDITION"),
        (500, "INTERNAL"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "UNAVAILABLE"),
    ],
)
def test_statuses(status: int, code: str) -> None:
    assert of_status(status, {}, 0.5) == Outcome(code, seconds=0.5)


def test_only_who_cannot_now_is_asked_when_to_come_back() -> None:
    assert of_status(503, {"Retry-After": "2"}, 0.0).pushback == 2.0
    assert of_status(500, {"Retry-After": "2"}, 0.0).pushback is None


def test_who_is_asked_too_often_says_when_to_come_back() -> None:
    full = of_status(429, {"Retry-After": "2"}, 0.5)
    assert full == Outcome("RESOURCE_EXHAUSTED", seconds=0.5, pushback=2.0)
    assert answered_so(full) == of_status(429, {}, 0.5)


@pytest.mark.parametrize(
    ("error", "code", "unprocessed"),
    [
        (CONNECTOR_ERROR, "UNAVAILABLE", True),
        (Stranger(KEY, "a stranger"), "UNAVAILABLE", True),
        (NOT_TAKEN, "UNAVAILABLE", True),
        (aiohttp.ConnectionTimeoutError("no free connection"), "ABORTED", False),
        (aiohttp.ServerDisconnectedError(), "UNAVAILABLE", False),
        (aiohttp.ClientOSError(104, "reset"), "UNAVAILABLE", False),
        (aiohttp.ClientPayloadError("cut off"), "UNAVAILABLE", False),
        (aiohttp.SocketTimeoutError("silent"), "DEADLINE_EXCEEDED", False),
        (TimeoutError(), "DEADLINE_EXCEEDED", False),
        (asyncio.CancelledError(), "CANCELLED", False),
        (aiohttp.http_exceptions.BadHttpMessage("no HTTP"), "INTERNAL", False),
        (aiohttp.ClientConnectionError("the body raised"), "UNKNOWN", False),
        (ValueError(), "UNKNOWN", False),
    ],
)
def test_errors(error: BaseException, code: str, unprocessed: bool) -> None:
    assert of_error(error, 0.5) == Outcome(code, unprocessed, 0.5)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        (None, None),
        ("", None),
        ("0", 0.0),
        (" 120 ", 120.0),
        ("Thu, 01 Jan 1970 00:00:30 GMT", 20.0),
        ("Thu, 01 Jan 1970 00:00:01 GMT", 0.0),
        ("Thursday, 01-Jan-70 00:00:30 GMT", 20.0),
        ("Thu Jan  1 00:00:30 1970", 20.0),
        ("Thu, 01 Jan 1970 00:00:30 -0000", 20.0),
        ("Thu, 01 Jan 1970 02:00:30 +0200", 20.0),
        ("Thu, 32 Jan 1970 00:00:30 GMT", None),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("٣", None),
        ("9" * 400, 999999999.0),
    ],
)
def test_when_to_come_back(text: str | None, seconds: float | None) -> None:
    assert retry_after({} if text is None else {"Retry-After": text}, now=10.0) == seconds
