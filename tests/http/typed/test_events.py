"""Server-sent events, read in whatever pieces they come."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from muster.http.typed.events import ALIVE, END, Event, read, written, written_error

pytestmark = pytest.mark.anyio


async def pieces(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


WHOLE = written(b'{"a": 1}') + ALIVE + written(b"2") + written_error(b"{}") + END
EVENTS = [Event("message", b'{"a": 1}'), Event("message", b"2"), Event("error", b"{}"), Event("end", b"null")]


@pytest.mark.parametrize("size", [1, 2, 7, 1000])
async def test_what_is_written_is_read(size: int) -> None:
    chunks = [WHOLE[at : at + size] for at in range(0, len(WHOLE), size)]
    assert [event async for event in read(pieces(*chunks))] == EVENTS


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"data: 1\r\n\r\n", [Event("message", b"1")]),
        (b"data:1\ndata: 2\n\n", [Event("message", b"1\n2")]),
        (b"event: x\nid: 7\nretry: 1\ndata: 1\n\n", [Event("x", b"1")]),
        (b"event: x\n\ndata: 1\n\n", [Event("message", b"1")]),
        (b"data: 1\n", []),
        (b": nothing\n\n", []),
        (b"", []),
    ],
)
async def test_what_others_write(text: bytes, found: list[Event]) -> None:
    assert [event async for event in read(pieces(text))] == found
