"""Replies that hold until something changes: who asks the same again gets them without anything being made anew."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable

from muster.http.prompt import Reply

_OVERHEAD = 500
"""Bytes that an entry takes beside its texts, about."""


class KeptReplies:
    """Replies by what was asked for, each good for as long as its index is; beyond `limit` bytes the least recently
    used go. A client chooses what it asks for, so the keys count too.
    """

    def __init__(self, limit: int = 32 << 20) -> None:
        self._limit = limit
        self._size = 0
        self._replies: OrderedDict[Hashable, tuple[Reply, Callable[[], int], int, int]] = OrderedDict()

    def reply(self, key: Hashable) -> Reply | None:
        """The reply, if it is kept and its index is still what it was."""
        kept = self._replies.get(key)
        if kept is None:
            return None
        reply, index_now, index, _ = kept
        if index_now() != index:
            return None
        self._replies.move_to_end(key)
        return reply

    def keep(self, key: Hashable, reply: Reply, index_now: Callable[[], int]) -> None:
        """Keep a reply that was made from the present state, until `index_now` says another index than it does now."""
        self._drop(key)
        cost = len(reply.head) + len(reply.body) + len(repr(key)) + _OVERHEAD
        self._replies[key] = (reply, index_now, index_now(), cost)
        self._size += cost
        while self._size > self._limit:
            self._drop(next(iter(self._replies)))

    def _drop(self, key: Hashable) -> None:
        kept = self._replies.pop(key, None)
        if kept is not None:
            self._size -= kept[3]
