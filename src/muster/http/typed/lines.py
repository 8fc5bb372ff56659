"""Lines of what comes in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator

from muster.model.errors import Fault


async def lines(chunks: AsyncIterator[bytes], limit: int | None = None) -> AsyncIterator[bytes]:
    """The lines without their ends (LF or CRLF); what follows the last end comes too, unless it is empty.

    Raises Fault RESOURCE_EXHAUSTED for a line above `limit` bytes. Pieces are put together once a line is whole: who
    sends a long line byte by byte costs no more than others.
    """
    parts, size = list[bytes](), 0
    async for chunk in chunks:
        *ends, rest = chunk.split(b"\n")
        for end in ends:
            _check(size + len(end), limit)
            yield b"".join((*parts, end)).removesuffix(b"\r")
            parts, size = [], 0
        parts.append(rest)
        size += len(rest)
        _check(size, limit)
    if size:
        yield b"".join(parts)


def _check(size: int, limit: int | None) -> None:
    if limit is not None and size > limit:
        raise Fault("RESOURCE_EXHAUSTED", f"a message has more than {limit} bytes")
