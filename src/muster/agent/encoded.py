"""Encoded answers, kept while they hold: a body that many clients ask for is made once."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

import msgspec


class EncodedAnswers:
    """JSON bodies by what they answer, each good for one index; beyond `limit` bytes the least recently used go.

    A client chooses what it asks for, so the keys count too.
    """

    def __init__(self, limit: int = 64 << 20) -> None:
        self._limit = limit
        self._size = 0
        self._encode = msgspec.json.Encoder().encode
        self._bodies: OrderedDict[Hashable, tuple[int, bytes]] = OrderedDict()

    def body(self, key: Hashable, index: int, value: Callable[[], Any]) -> bytes:
        """The body for `key` at `index`; `value` makes what it encodes, where it is not held."""
        held = self._bodies.get(key)
        if held is not None and held[0] == index:
            self._bodies.move_to_end(key)
            return held[1]
        body = self._encode(value())
        if held is not None:
            self._size -= _cost(key, held[1])
        self._size += _cost(key, body)
        self._bodies[key] = (index, body)
        self._bodies.move_to_end(key)
        while self._size > self._limit:
            self._size -= self._drop_oldest()
        return body

    def _drop_oldest(self) -> int:
        key, (_, body) = self._bodies.popitem(last=False)
        return _cost(key, body)


def _cost(key: Hashable, body: bytes) -> int:
    return len(body) + len(repr(key)) + _OVERHEAD


_OVERHEAD = 500
"""Bytes that an entry takes beside its text, about."""
