"""Lines of what comes in pieces."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from muster.http.typed.lines import lines
from muster.model.errors import Fault

pytestmark = pytest.mark.anyio


async def pieces(text: bytes, size: int) -> AsyncIterator[bytes]:
    for at in range(0, len(text), size):
        yield text[at : at + size]


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b"", []),
        (b"a", [b"a"]),
        (b"a\n", [b"a"]),
        (b"a\r\n\nbc", [b"a", b"", b"bc"]),
        (b"\n\n", [b"", b""]),
    ],
)
async def test_lines(text: bytes, found: list[bytes], size: int) -> None:
    assert [line async for line in lines(pieces(text, size))] == found


@pytest.mark.parametrize("size", [1, 100])
@pytest.mark.parametrize("text", [b"abcde", b"ab\nabcde\n"])
async def test_a_line_over_the_limit(text: bytes, size: int) -> None:
    assert [line async for line in lines(pieces(text, size), 5)]
    with pytest.raises(Fault, match="more than 4 bytes"):
        _ = [line async for line in lines(pieces(text, size), 4)]
