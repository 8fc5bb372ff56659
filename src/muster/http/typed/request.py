"""What the head of a request says, and its body within limits."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from muster.http.asgi import Receive, Scope
from muster.http.typed.lines import lines
from muster.http.typed.problem import Refused

JSON = "application/json"
LINES = "application/jsonl"

BODY_SECONDS = 10.0
"""From the end of the headers to the end of a body that is no stream."""

_TIMEOUT = re.compile(rb"(\d{1,8})([HMSmun])")
_UNITS = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_CLOSE = (b"connection", b"close")

_WASTE = 16
"""A body over the limit is read on, and thrown away, up to so many times the limit: a client that is cut off while it
still sends would see a broken connection instead of the answer."""


class Gone(asyncio.CancelledError):
    """The client has gone away: there is nobody to answer, and whatever works for it is cancelled by this."""


@dataclass(slots=True)
class Head:
    """The headers that matter here. `timeout` in seconds, as `Grpc-Timeout` has it. `expects`: the caller asks whether
    to send its body at all."""

    content_type: bytes = b""
    encoding: bytes = b"identity"
    length: int = 0
    timeout: float | None = None
    expects: bool = False


def head_of(scope: Scope) -> Head:
    """Raises Refused 400 for a timeout that is none."""
    head = Head()
    for name, value in scope["headers"]:
        if name == b"content-type":
            head.content_type = value
        elif name == b"content-length":
            head.length = int(value)
        elif name == b"content-encoding":
            head.encoding = value.lower()
        elif name == b"grpc-timeout":
            head.timeout = _seconds(value)
        elif name == b"expect":
            head.expects = True
    return head


def check_json(head: Head, kinds: tuple[str, ...]) -> None:
    """Raises Refused 415 for a body that is said to be something else than one of `kinds`; one that says nothing is
    taken for the first."""
    if head.encoding != b"identity":
        raise _unsupported(f"content-encoding {_text(head.encoding)} is not understood: send the body as it is", kinds)
    if head.content_type and not _is_one_of(head.content_type, kinds):
        raise _unsupported(f"expected content-type {kinds[0]}, found {_text(head.content_type)}", kinds)


async def whole_body(head: Head, receive: Receive, limit: int) -> bytes:
    """The body. Raises Refused 413 for one above `limit` bytes, 408 for one that takes its time, and Gone."""
    if head.length > (limit if head.expects else limit * _WASTE):
        raise _too_large(limit, close=True)
    try:
        async with asyncio.timeout(BODY_SECONDS):
            return await _whole(receive, limit)
    except TimeoutError:
        detail = f"the body did not come within {BODY_SECONDS:g} s"
        raise Refused(408, "DEADLINE_EXCEEDED", detail, _CLOSE) from None


async def _whole(receive: Receive, limit: int) -> bytes:
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        return _within(limit, message.get("body", b""))  # nearly all are one piece
    chunks, size = [_chunk(message)], len(_chunk(message))
    while message.get("more_body"):
        message = await receive()
        size += len(_chunk(message))
        if size > limit * _WASTE:
            raise _too_large(limit, close=True)
        if size <= limit:
            chunks.append(_chunk(message))
    if size > limit:
        raise _too_large(limit, close=False)
    return b"".join(chunks)


async def messages(receive: Receive, limit: int) -> AsyncIterator[bytes]:
    """The lines of a body as they come, blank ones left out. Raises Fault RESOURCE_EXHAUSTED for one above `limit`
    bytes, and Gone."""
    async for line in lines(_chunks(receive), limit):
        if line.strip():
            yield line


async def _chunks(receive: Receive) -> AsyncIterator[bytes]:
    more = True
    while more:
        message = await receive()
        yield _chunk(message)
        more = message.get("more_body", False)


def _chunk(message: Mapping[str, Any]) -> bytes:
    if message["type"] == "http.disconnect":
        raise Gone
    chunk: bytes = message.get("body", b"")
    return chunk


def _within(limit: int, body: bytes) -> bytes:
    if len(body) > limit:
        raise _too_large(limit, close=False)
    return body


def _is_one_of(content_type: bytes, kinds: tuple[str, ...]) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.decode("latin-1").split(";"))
    charsets = [each.removeprefix("charset=").strip('"') for each in parameters if each.startswith("charset=")]
    json = kind in kinds or (kinds[0] == JSON and kind.startswith("application/") and kind.endswith("+json"))
    return json and all(charset in ("utf-8", "utf8") for charset in charsets)


def _seconds(value: bytes) -> float:
    match = _TIMEOUT.fullmatch(value.strip())
    if not match:
        raise Refused(
            400, "INVALID_ARGUMENT", f"Grpc-Timeout: expected a time such as 500m or 2S, found {_text(value)}"
        )
    return int(match[1]) * _UNITS[match[2]]


def _text(value: bytes) -> str:
    return repr(value[:80].decode("latin-1"))


def _unsupported(detail: str, kinds: tuple[str, ...]) -> Refused:
    return Refused(415, "INVALID_ARGUMENT", detail, (b"accept", ", ".join(kinds).encode()))


def _too_large(limit: int, *, close: bool) -> Refused:
    headers = [_CLOSE] if close else []
    return Refused(413, "RESOURCE_EXHAUSTED", f"the body has more than {limit} bytes", *headers)
