"""Receiving a request's body within limits, and what may be in it."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from muster.gateway.exchange import Request
from muster.gateway.problem import Refused, refused
from muster.http.asgi import Receive

_CLOSE = (b"connection", b"close")
_JSON = (b"accept", b"application/json")

_WASTE = 16
"""A body over the limit is read on, and thrown away, up to so many times the limit: a client that is cut off while it
still sends would see a broken connection instead of the answer."""


class Gone(Exception):
    """The client has gone away; there is nobody to answer."""


@dataclass(frozen=True, slots=True)
class BodyLimits:
    """`bytes` of a body at most; `seconds` from the end of the headers to the end of the body."""

    bytes: int
    seconds: float


async def receive_body(request: Request, receive: Receive, limits: BodyLimits) -> bytes:
    """The whole body. Raises Refused 413 or 408 for one over the limits, and Gone."""
    length = _length(request)
    expects = (request.header(b"expect") or "").lower() == "100-continue"
    if length > limits.bytes and (expects or length > limits.bytes * _WASTE):
        raise _too_large(limits, close=True)
    try:
        async with asyncio.timeout(limits.seconds):
            return await _receive(receive, limits)
    except TimeoutError:
        raise refused(
            408, "DEADLINE_EXCEEDED", f"the body did not come within {limits.seconds:g} s", [_CLOSE]
        ) from None


async def _receive(receive: Receive, limits: BodyLimits) -> bytes:
    chunks: list[bytes] = []
    size, more = 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise Gone
        chunk, more = message.get("body", b""), message.get("more_body", False)
        size += len(chunk)
        if size <= limits.bytes:
            chunks.append(chunk)
        elif size > limits.bytes * _WASTE:
            raise _too_large(limits, close=True)
    if size > limits.bytes:
        raise _too_large(limits, close=False)
    return b"".join(chunks)


def check(request: Request) -> None:
    """Raises Refused for a body that its method or its headers do not go with: 400, 415."""
    if request.method == "POST":
        _check_post(request)
    elif request.body:
        raise refused(400, "INVALID_ARGUMENT", "GET takes its request from the query: send a POST, or no body")


def _check_post(request: Request) -> None:
    if request.query:
        raise refused(400, "INVALID_ARGUMENT", "POST takes its request from the body: send a GET, or no query")
    encoding = request.header(b"content-encoding") or "identity"
    if encoding.lower() != "identity":
        raise _unsupported(f"content-encoding {encoding!r} is not understood: send the body as it is")
    if request.body and not _is_json(request.header(b"content-type") or ""):
        sent = request.header(b"content-type") or "none"
        raise _unsupported(f"expected content-type application/json, found {sent!r}")


def _is_json(content_type: str) -> bool:
    kind, *parameters = (part.strip().lower() for part in content_type.split(";"))
    charsets = [each.removeprefix("charset=").strip('"') for each in parameters if each.startswith("charset=")]
    json = kind == "application/json" or (kind.startswith("application/") and kind.endswith("+json"))
    return json and all(charset in ("utf-8", "utf8") for charset in charsets)


def _length(request: Request) -> int:
    """The body's announced length; 0 if it is not announced. The server has refused any that is no number."""
    return int(request.header(b"content-length") or 0)


def _too_large(limits: BodyLimits, *, close: bool) -> Refused:
    headers = [_CLOSE] if close else []
    return refused(413, "RESOURCE_EXHAUSTED", f"the body has more than {limits.bytes} bytes", headers)


def _unsupported(detail: str) -> Refused:
    return refused(415, "INVALID_ARGUMENT", detail, [_JSON])
