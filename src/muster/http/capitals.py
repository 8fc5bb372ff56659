"""Names of headers as most servers write them.

uvicorn sends all in lower case. To HTTP that is the same, but not to a script that looks for `X-Consul-Index` in what
curl prints.
"""

from __future__ import annotations

import asyncio
import re
from functools import lru_cache

_NAMES = re.compile(rb"(?<=\r\n)[^:\r\n]+(?=: )")
_INTERIM = b"HTTP/1.1 1"


def capitalized(head: bytes) -> bytes:
    """A response's status line and headers with their names as Go has them: `Content-Type`."""
    return _NAMES.sub(lambda found: _capitalized(found[0]), head)


class CapitalHeads:
    """A transport for one response of uvicorn's, which writes the whole head first, after an interim one if any."""

    __slots__ = ("_head_is_out", "_transport")

    def __init__(self, transport: asyncio.Transport) -> None:
        self._transport = transport
        self._head_is_out = False

    def write(self, data: bytes) -> None:
        if not self._head_is_out and not data.startswith(_INTERIM):
            self._head_is_out = True
            data = capitalized(data)
        self._transport.write(data)

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def close(self) -> None:
        self._transport.close()


@lru_cache(maxsize=256)
def _capitalized(name: bytes) -> bytes:
    return b"-".join(part.capitalize() for part in name.split(b"-"))
