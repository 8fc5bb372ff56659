"""Replies are kept for as long as their index stays, and bounded."""

from __future__ import annotations

from muster.agent.api.kept import KeptReplies
from muster.http.prompt import Reply

REPLY = Reply(b"HTTP/1.1 200 OK\r\n", b"[]")


class Index:
    def __init__(self) -> None:
        self.now = 1

    def __call__(self) -> int:
        return self.now


def test_a_reply_is_kept_until_its_index_moves() -> None:
    kept, index = KeptReplies(), Index()
    kept.keep("a", REPLY, index)
    assert kept.reply("a") is REPLY
    assert kept.reply("b") is None
    index.now = 2
    assert kept.reply("a") is None
    kept.keep("a", REPLY, index)
    assert kept.reply("a") is REPLY


def test_the_least_recently_used_go_first() -> None:
    kept, index = KeptReplies(limit=1200), Index()
    kept.keep("a", REPLY, index)
    kept.keep("b", REPLY, index)
    assert kept.reply("a") is REPLY
    kept.keep("c", REPLY, index)
    assert (kept.reply("a"), kept.reply("b"), kept.reply("c")) == (REPLY, None, REPLY)


def test_keys_count_as_well_as_replies() -> None:
    kept, index = KeptReplies(limit=1200), Index()
    kept.keep("a", REPLY, index)
    kept.keep("x" * 2000, REPLY, index)
    assert kept.reply("a") is None
