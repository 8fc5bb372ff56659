"""An answer as handlers give it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any, Final, Protocol

import msgspec

from muster.agent.blocking import Found, Patience

Headers = tuple[tuple[bytes, bytes], ...]

JSON: Final = b"application/json"
TEXT: Final = b"text/plain; charset=utf-8"
HTML: Final = b"text/html; charset=utf-8"

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, body and headers; an empty `content_type` sends none."""

    status: int = 200
    body: bytes = b""
    content_type: bytes = b""
    headers: Headers = ()

    def adding(self, *headers: tuple[bytes, bytes]) -> Answer:
        """The same with more headers."""
        return Answer(self.status, self.body, self.content_type, (*self.headers, *headers))


DONE = Answer()
"""A write that succeeded and has nothing to say."""


@dataclass(frozen=True, slots=True)
class Query:
    """A read that may have to wait; `resolve` in blocking.py says how.

    `steady`, if any, reads an index: for as long as that stays, the same request has the same answer.
    """

    ask: Callable[[], Found[Answer]]
    patience: Patience
    steady: Callable[[], int] | None = None


class Pieces(Protocol):
    """What a stream sends."""

    async def next(self) -> bytes:
        """The next piece; empty at the end."""
        ...


@dataclass(frozen=True, slots=True)
class Stream:
    """An answer without an end of its own; `opened` begins it, and what it yields is sent."""

    opened: Callable[[], AbstractContextManager[Pieces]]


class Refused(Exception):
    """The request cannot be granted: a status and Consul's text."""

    def __init__(self, status: int, text: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(text)
        self.answer = text_answer(status, text).adding(*headers)


def json_answer(value: Any) -> Answer:
    return Answer(200, encode(value), JSON)


def encode(value: Any) -> bytes:
    """Compact JSON."""
    return _encode(value)


def text_answer(status: int, text: str) -> Answer:
    """Text without a final newline, as Consul writes its errors."""
    return Answer(status, text.encode("utf-8", "replace"), TEXT)
