"""What Go Micro hides in tags, and what only looks like it."""

from __future__ import annotations

import zlib

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.registry.consul.gomicro import Hidden, decode


def packed(prefix: str, text: str) -> str:
    return prefix + zlib.compress(text.encode()).hex()


@pytest.mark.parametrize(
    ("tags", "hidden"),
    [
        ([], Hidden()),
        # as Go wrote them: one pair, a version, and one from 2017 whose stream does not end
        (["t-789c000c00f3ff7b227a6f6e65223a2261227d03001a7e03d8"], Hidden("", {"zone": "a"})),
        (["v-789c000500faff312e322e33030002d700f3"], Hidden("1.2.3")),
        (
            ["t-789caa562a294acc2b2ec82f2a51b252ca28292950aa05040000ffff4f930768"],
            Hidden("", {"transport": "http"}),
        ),
        ([packed("v-", "1.2.3"), packed("t-", '{"protocol":"grpc"}')], Hidden("1.2.3", {"protocol": "grpc"})),
        (['t={"protocol":"mucp"}', "v=0.9"], Hidden("0.9", {"protocol": "mucp"})),
        # look-alikes of others
        (["v-next", "t-shirt", "traefik.enable=true", "t", "v", "t-", "v-", ""], Hidden()),
        ([packed("t-", "[1]"), packed("t-", '{"a":1}'), packed("t-", "{"), "t-00ff"], Hidden()),
        ([packed("t-", "[" * 10000)], Hidden()),
    ],
)
def test_decode(tags: list[str], hidden: Hidden) -> None:
    assert decode(tags) == hidden


def test_a_bomb_does_not_unpack() -> None:
    bomb = "v-" + zlib.compress(b"x" * 10_000_000).hex()
    assert len(decode([bomb]).version) == 64 * 1024


@settings(deadline=None)
@given(st.lists(st.text() | st.builds("t-{}".format, st.binary().map(bytes.hex))))
def test_nothing_raises(tags: list[str]) -> None:
    decode(tags)
