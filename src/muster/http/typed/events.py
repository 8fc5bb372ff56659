"""Streams over HTTP/1.1: server-sent events out (https://html.spec.whatwg.org/multipage/server-sent-events.html).

    data: {"message": "Hello"}          a reply

    event: end                          the last of them; a stream without it was cut off
    data: null

    event: error                        or a failure, as problem+json has it
    data: {"status": 404, "code": "NOT_FOUND", ...}

A line `:` is sent where there was nothing to say for a while: neither side can tell silence from a lost peer.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

from muster.http.typed.lines import lines

CONTENT_TYPE = "text/event-stream"
END = b"event: end\ndata: null\n\n"
ALIVE = b":\n\n"

ALIVE_SECONDS = 15.0
"""Between signs of life. muster's clients give up on 60 s of silence, many proxies too."""


@dataclass(frozen=True, slots=True)
class Event:
    """`kind`: `message` unless the stream says otherwise."""

    kind: str
    data: bytes


def written(message: bytes) -> bytes:
    """A reply, which is JSON in one line."""
    return b"data: %b\n\n" % message


def written_error(problem: bytes) -> bytes:
    return b"event: error\ndata: %b\n\n" % problem


async def read(chunks: AsyncIterator[bytes]) -> AsyncIterator[Event]:
    """The events in a body, in whatever pieces it comes; comments and fields other than these two are passed over."""
    kind, data = "message", list[bytes]()
    async for line in lines(chunks):
        if not line:
            if data:
                yield Event(kind, b"\n".join(data))
            kind, data = "message", []
        elif line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            kind = line[6:].strip().decode(errors="replace")
