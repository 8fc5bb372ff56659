"""Messages and sockets from one process to another."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import AsyncIterator

import pytest

from muster.serve.workers.channel import Channel
from muster.serve.workers.messages import Connected, Failed, Message, SignOfLife

pytestmark = pytest.mark.anyio


class Heard:
    """What has arrived at one end."""

    def __init__(self, channel: Channel) -> None:
        self.messages: list[Message] = []
        self.sockets: list[socket.socket | None] = []
        self.lost = asyncio.Event()
        self._came = asyncio.Condition()
        self._changed = asyncio.Event()
        channel.listen(self._hear, self.lost.set)

    def _hear(self, message: Message, handed: socket.socket | None) -> None:
        self.messages.append(message)
        self.sockets.append(handed)
        self._changed.set()

    async def until(self, count: int) -> None:
        async with asyncio.timeout(30):
            while len(self.messages) < count:
                self._changed.clear()
                await self._changed.wait()


@pytest.fixture
async def ends() -> AsyncIterator[tuple[Channel, Channel]]:
    a, b = map(Channel, socket.socketpair())
    yield a, b
    a.close()
    b.close()


async def test_messages_arrive_whole_and_in_order(ends: tuple[Channel, Channel]) -> None:
    heard = Heard(ends[1])
    sent: list[Message] = [Failed("x" * size, size) for size in (0, 1, 70_000, 3)]
    for message in sent:
        ends[0].send(message)
    await heard.until(4)
    assert heard.messages == sent


async def test_a_socket_goes_with_its_message(ends: tuple[Channel, Channel]) -> None:
    heard = Heard(ends[1])
    pairs = [socket.socketpair() for _ in range(20)]
    for number, (given, _) in enumerate(pairs):
        ends[0].send(SignOfLife())
        ends[0].send(Connected(), given)
        assert given.fileno() == -1, number  # closed here
    await heard.until(40)
    assert heard.messages == [SignOfLife(), Connected()] * 20
    for number, (_, kept) in enumerate(pairs):
        arrived = heard.sockets[2 * number + 1]
        assert arrived is not None and not os.get_inheritable(arrived.fileno())
        with arrived, kept:
            arrived.send(b"%d" % number)
            assert kept.recv(10) == b"%d" % number


async def test_sending_never_blocks_and_says_when_the_other_does_not_read(ends: tuple[Channel, Channel]) -> None:
    sender, receiver = ends
    count = 0
    while not sender.congested:
        sender.send(Failed("x" * 1000, count))
        count += 1
    given, kept = socket.socketpair()
    sender.send(Connected(), given)
    heard = Heard(receiver)
    await heard.until(count + 1)
    assert [each.status for each in heard.messages[:-1] if isinstance(each, Failed)] == list(range(count))
    assert not sender.congested and given.fileno() == -1
    with kept:
        arrived = heard.sockets[-1]
        assert arrived is not None
        arrived.close()


async def test_the_end_of_the_other_is_told_once(ends: tuple[Channel, Channel]) -> None:
    heard = Heard(ends[1])
    ends[0].send(SignOfLife())
    ends[0].close()
    async with asyncio.timeout(30):
        await heard.lost.wait()
    assert heard.messages == [SignOfLife()]
    ends[1].send(SignOfLife())  # without effect


async def test_last_words_are_heard_before_the_end_is_noticed(ends: tuple[Channel, Channel]) -> None:
    heard = Heard(ends[1])
    for number in range(3):
        ends[0].send(Failed("x" * 10_000, number))
    ends[0].close()
    ends[1].hear_rest()
    assert [each.status for each in heard.messages if isinstance(each, Failed)] == [0, 1, 2]
    assert heard.lost.is_set()


async def test_sending_to_one_who_has_gone_is_without_effect(ends: tuple[Channel, Channel]) -> None:
    ends[1].close()
    given, kept = socket.socketpair()
    with kept:
        ends[0].send(Connected(), given)
        assert given.fileno() == -1
        assert not ends[0].congested
