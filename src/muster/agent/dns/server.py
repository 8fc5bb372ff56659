"""DNS over UDP and TCP (RFC 7766): bytes in, bytes out; what is said is zone.py's."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from random import Random
from typing import Any, Final, cast

from muster.agent.dns import message, zone
from muster.agent.dns.forwarding import Recursors
from muster.agent.dns.message import LARGEST_TCP, Inquiry
from muster.agent.dns.records import Answer, Location, Room
from muster.agent.dns.settings import DNS

Reply = Callable[[bytes], None]

MOST_CONNECTIONS: Final = 500
IDLE_SECONDS: Final = 10.0
"""How long a TCP client may be silent; RFC 7766 wants seconds."""

_MOST_UNREAD = 64 << 10
_MOST_FOREIGN = 8
"""Foreign names in one answer that recursors are asked for."""

_MOST_UNDER_WAY = 16
"""Questions of one TCP connection that may wait for recursors before further ones are read."""

_FAILED = Answer("SERVFAIL", authoritative=False)

_log = logging.getLogger("muster.agent.dns")


class Answering:
    """Answers messages, at once where no recursor has to be asked. `tasks` are for those others."""

    def __init__(self, known: zone.Known, settings: DNS, tasks: asyncio.TaskGroup) -> None:
        self._known = known
        self._settings = settings
        self._tasks = tasks
        self._under_way: set[asyncio.Task[None]] = set()
        self._recursors = Recursors(settings.recursors, settings.recursor_timeout) if settings.recursors else None
        self._rng = Random()

    def take(self, wire: bytes, reply: Reply, *, tcp: bool) -> bool:
        """Call `reply` with the answer to a message, now or later. False for one that is not answered. Never raises."""
        inquiry = message.read(wire)
        if inquiry is None:
            return False
        if isinstance(inquiry, bytes):
            reply(inquiry)
        else:
            self._answer(inquiry, reply, self._room(inquiry, tcp=tcp))
        return True

    def close(self) -> None:
        """Give up what is with recursors."""
        for task in list(self._under_way):
            task.cancel()

    def _answer(self, inquiry: Inquiry, reply: Reply, room: Room) -> None:
        answer = zone.answer(self._known, self._settings, inquiry.question, room, self._rng, int(time.time()))
        if self._recursors is None or not (answer.elsewhere or answer.foreign):
            reply(self._written(inquiry, answer, room))
            return
        task = self._tasks.create_task(self._forward(inquiry, answer, self._recursors, reply, room), name="recursion")
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _forward(self, inquiry: Inquiry, answer: Answer, recursors: Recursors, reply: Reply, room: Room) -> None:
        try:
            wire = await self._forwarded(inquiry, answer, recursors, room)
        except Exception:
            # What a recursor sent cannot be written again, say: that must not end the agent.
            _log.exception("a question that a recursor was asked could not be answered")
            wire = self._written(inquiry, _FAILED, room)
        reply(wire)

    async def _forwarded(self, inquiry: Inquiry, answer: Answer, recursors: Recursors, room: Room) -> bytes:
        if not answer.elsewhere:
            return self._written(inquiry, await _completed(answer, recursors, inquiry.question.kind), room)
        theirs = await recursors.ask(inquiry.message)
        return self._written(inquiry, _FAILED, room) if theirs is None else message.passed_on(theirs, room)

    def _written(self, inquiry: Inquiry, answer: Answer, room: Room) -> bytes:
        recursive = self._recursors is not None or answer.code == "SERVFAIL"
        return message.write(inquiry, answer, room, recursive=recursive, tell=self._settings.enable_truncate)

    def _room(self, inquiry: Inquiry, *, tcp: bool) -> Room:
        if tcp:
            return Room(LARGEST_TCP)
        return Room(inquiry.room, self._settings.udp_answer_limit if inquiry.room <= message.SMALLEST_UDP else 0)


async def _completed(answer: Answer, recursors: Recursors, kind: str) -> Answer:
    """The answer with what recursors say of the foreign names in it: beside SRV, behind aliases."""
    async with asyncio.TaskGroup() as group:
        asked = [group.create_task(recursors.addresses(name, kind)) for name in answer.foreign[:_MOST_FOREIGN]]
    found = [record for each in asked for record in each.result()]
    if any(isinstance(record.data, Location) for record in answer.answer):
        return replace(answer, additional=(*answer.additional, *found))
    return replace(answer, answer=(*answer.answer, *found))


class Datagrams(asyncio.DatagramProtocol):
    """UDP. While the system takes no more answers they are dropped: clients ask again."""

    def __init__(self, answering: Answering) -> None:
        self._answering = answering
        self._transport: asyncio.DatagramTransport | None = None
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # it is one, and no subclass in Python 3.11

    def datagram_received(self, data: bytes, addr: tuple[Any, ...]) -> None:
        self._answering.take(data, lambda reply: self._send(reply, addr), tcp=False)

    def error_received(self, exc: Exception) -> None:
        _log.debug("an answer could not be sent: %r", exc)

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False

    def _send(self, reply: bytes, address: tuple[Any, ...]) -> None:
        if self._transport is not None and not self._transport.is_closing() and not self._full:
            self._transport.sendto(reply, address)


class Conversation(asyncio.Protocol):
    """One TCP connection: messages behind their lengths, answered as they come, in any order.

    Closed when its client is silent for IDLE_SECONDS, has left, or sends what is no question. Not read from while too
    many of its questions are under way or its client does not read the answers.
    """

    def __init__(self, answering: Answering, others: set[Conversation]) -> None:
        self._answering = answering
        self._others = others
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._read = bytearray()
        self._open = 0
        self._full = False
        self._in_turn = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        streams = cast(asyncio.Transport, transport)
        if len(self._others) >= MOST_CONNECTIONS:
            streams.abort()
            return
        self._transport = streams
        self._others.add(self)
        streams.set_write_buffer_limits(_MOST_UNREAD)
        self._wait_for_more()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        self._others.discard(self)
        if self._idle is not None:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._read += data
        self._wait_for_more()
        self._turn()

    def pause_writing(self) -> None:
        self._full = True

    def resume_writing(self) -> None:
        self._full = False
        self._turn()

    def abort(self) -> None:
        """Cut the connection."""
        if self._transport is not None:
            self._transport.abort()

    def _wait_for_more(self) -> None:
        if self._idle is not None:
            self._idle.cancel()
        self._idle = asyncio.get_running_loop().call_later(IDLE_SECONDS, self.abort)

    def _turn(self) -> None:
        """Answer some of what has come whole: no more than others can wait for. Then read on, or come back first."""
        if self._transport is None or self._in_turn:
            return
        self._in_turn = True
        for _ in range(_MOST_UNDER_WAY):
            if not self._may_take() or not self._take():
                break
        self._in_turn = False
        if not self._may_take():
            self._transport.pause_reading()
        elif self._has_whole():
            self._transport.pause_reading()
            asyncio.get_running_loop().call_soon(self._turn)
        else:
            self._transport.resume_reading()

    def _may_take(self) -> bool:
        return self._transport is not None and not self._full and self._open < _MOST_UNDER_WAY

    def _has_whole(self) -> bool:
        return len(self._read) >= 2 and len(self._read) >= 2 + int.from_bytes(self._read[:2])

    def _take(self) -> bool:
        """Take one message, if one has come whole."""
        if not self._has_whole():
            return False
        end = 2 + int.from_bytes(self._read[:2])
        wire = bytes(self._read[2:end])
        del self._read[:end]
        self._open += 1
        if not self._answering.take(wire, self._send, tcp=True):
            self.abort()
        return True

    def _send(self, reply: bytes) -> None:
        self._open -= 1
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(len(reply).to_bytes(2) + reply)
        self._turn()
