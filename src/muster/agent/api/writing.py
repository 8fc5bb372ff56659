"""Answers as they go out: readable if asked for, compressed if possible, as ASGI messages or as bytes."""

from __future__ import annotations

import zlib
from functools import lru_cache
from http import HTTPStatus
from typing import Final

import msgspec

from muster.agent.api.answer import JSON, TEXT, Answer
from muster.http.prompt import Reply

VARY: Final = (b"Vary", b"Accept-Encoding")
_GZIPPED: Final = (b"Content-Encoding", b"gzip")
_KEPT_BODY: Final = 64 << 10

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}\r\n".encode() for status in HTTPStatus}


def written(answer: Answer, *, gzip: bool, pretty: bool) -> Answer:
    """The answer in the form that its client asked for."""
    body = answer.body
    if body and pretty and answer.content_type == JSON:
        body = msgspec.json.format(body, indent=4) + b"\n"
    if body and gzip and answer.content_type in (JSON, TEXT):
        return Answer(answer.status, _gzip(body), answer.content_type, (*answer.headers, _GZIPPED, VARY))
    return Answer(answer.status, body, answer.content_type, (*answer.headers, VARY))


def headers_of(answer: Answer) -> list[tuple[bytes, bytes]]:
    """Its headers with those that tell of its body."""
    headers = [*answer.headers, (b"Content-Length", b"%d" % len(answer.body))]
    if answer.content_type:
        headers.append((b"Content-Type", answer.content_type))
    return headers


def reply_of(answer: Answer) -> Reply:
    """The same as bytes."""
    lines = [b"%b: %b\r\n" % header for header in headers_of(answer)]
    return Reply(_STATUS_LINES[answer.status] + b"".join(lines), answer.body)


def _gzip(body: bytes) -> bytes:
    """Fast rather than small: most readers are on the same machine."""
    return _gzip_once(body) if len(body) <= _KEPT_BODY else _compress(body)


@lru_cache(maxsize=512)
def _gzip_once(body: bytes) -> bytes:
    return _compress(body)


def _compress(body: bytes) -> bytes:
    compressor = zlib.compressobj(level=1, wbits=31)
    return compressor.compress(body) + compressor.flush()
