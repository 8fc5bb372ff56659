"""One attempt: which instance it goes to, and how it ended recorded for that instance."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from types import TracebackType
from typing import TYPE_CHECKING, Self

import aiohttp
from aiohttp import hdrs

from muster.balance.nodes import Node
from muster.http.client.alarm import Alarm, Alarms
from muster.http.client.ending import CUT_OFF, of_error, of_status
from muster.http.client.link import Link
from muster.http.client.routing import chosen
from muster.http.client.services import Service
from muster.model.outcome import Outcome

if TYPE_CHECKING:
    from aiohttp.connector import Connection

Send = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
"""Sends a request to the link that `routing.chosen` holds, and returns when the head of the answer is there."""

WHOLE = 32 * 1024
"""Bytes; aiohttp stops reading from a connection only at 64 KiB that nobody takes."""


Answer = aiohttp.ClientResponse | Exception
"""What an attempt gave: a response, or what was raised instead."""


class Attempt(Alarm):
    """One attempt at `node` of `service`: a `with` whose body sends the request and sets `answer`. Past `when` it is
    cut short.

    An Exception of the body becomes the `answer`; afterwards `outcome` says how it ended. The node counts as busy until
    the body of the answer has ended too, in which no more than `silence` seconds may pass without a byte.
    """

    __slots__ = ("_began", "_link", "_silence", "_turnstile", "answer", "node", "outcome")

    def __init__(
        self, service: Service, node: Node[Link], alarms: Alarms, when: float | None, silence: float | None
    ) -> None:
        super().__init__(alarms, when)
        link = node.link
        assert link is not None, "a node is chosen only while it has a link"
        self.node = node
        self.answer: Answer
        self.outcome: Outcome
        self._link = link
        self._turnstile = service.turnstile
        self._silence = silence

    def __enter__(self) -> Self:
        self.node.begin()
        self._link.hold()
        if self._turnstile is not None:
            self._turnstile.began()
        chosen.set(self._link)
        self._began = time.monotonic()
        self.arm()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        seconds = time.monotonic() - self._began
        if self.disarm(kind):
            error = TimeoutError()
        if error is None:
            self._answered(seconds)
            return False
        self._failed(error, seconds)
        return isinstance(error, Exception)

    def _answered(self, seconds: float) -> None:
        """The head of an answer is there, or all of it."""
        response = self.answer
        assert isinstance(response, aiohttp.ClientResponse), "the body has set it, or it has raised"
        self.outcome = of_status(response.status, response.headers, seconds)
        if response.connection is None:
            self._end(self.outcome)
            return
        response.connection.add_callback(partial(self._body_ended, response))
        if self._silence is not None and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
            _limit(response.connection, self._silence)

    def _failed(self, error: BaseException, seconds: float) -> None:
        self.outcome = of_error(error, seconds)
        self._end(self.outcome)
        if isinstance(error, Exception):
            self.answer = error

    def _body_ended(self, response: aiohttp.ClientResponse) -> None:
        """The connection is free again, or lost: then the instance has not answered, whatever the head said."""
        error = response.content.exception()
        if error is not None and isinstance(error, (*CUT_OFF, TimeoutError)):
            self._end(of_error(error, self.outcome.seconds))
        else:
            self._end(self.outcome)

    def _end(self, outcome: Outcome) -> None:
        self.node.end(outcome)
        self._link.release()
        if self._turnstile is not None:
            self._turnstile.ended(self.node)


def _limit(connection: Connection, silence: float) -> None:
    """aiohttp's own limit from here on: as an option of the request it costs a timer for each read, 10 µs in all."""
    if connection.protocol is not None:
        connection.protocol.read_timeout = silence
        connection.protocol.start_timeout()


async def whole(response: aiohttp.ClientResponse) -> None:
    """Returns when the rest of a body that is announced to be short is there; raises what cuts it off.

    An instance that dies between head and body can still be replaced by another, as long as the caller has seen
    nothing. What a compressed body unfolds to nobody knows: it is not waited for.
    """
    if hdrs.CONTENT_ENCODING not in response.headers and 0 < (response.content_length or 0) <= WHOLE:
        try:
            await response.content.wait_eof()
        except BaseException:
            response.close()
            raise
