"""One attempt: which instance it goes to, and how it ended recorded for that instance."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable
from functools import partial
from http import HTTPStatus
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import hdrs

from muster.balance.nodes import Node
from muster.call.deadline import hurried
from muster.http.client.alarm import Alarm, Alarms
from muster.http.client.ending import CUT_OFF, FULL, answered_so, of_error, of_status
from muster.http.client.link import Link
from muster.http.client.routing import Routed
from muster.http.client.services import Service
from muster.model.outcome import Outcome

if TYPE_CHECKING:
    from aiohttp.connector import Connection

Send = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
"""Sends a request to its link, and returns when the head of the answer is there."""

WHOLE = 32 * 1024
"""Bytes; aiohttp stops reading from a connection only at 64 KiB that nobody takes."""


Answer = aiohttp.ClientResponse | Exception
"""What an attempt gave: a response, or what was raised instead."""


class Attempt(Alarm):
    """One attempt of `request` at `node` of `service`, sent by the current task, which is cancelled past `when`.

    The node counts as busy from now until the end of the answer's body, or until `failed`. One of `answered` and
    `failed` must follow; afterwards `outcome` says how the attempt ended.
    """

    __slots__ = ("_began", "_link", "_turnstile", "node", "outcome")

    def __init__(self, service: Service, node: Node[Link], request: Routed, alarms: Alarms, when: float | None) -> None:
        Alarm.__init__(self, alarms, when)
        link = node.link
        assert link is not None, "a node is chosen only while it has a link"
        self.node = node
        self.outcome: Outcome
        self._link = request.link = link
        self._turnstile = service.turnstile
        node.begin()
        link.hold()
        if self._turnstile is not None:
            self._turnstile.began()
        self._began = time.monotonic()

    def answered(self, response: aiohttp.ClientResponse, silence: float | None) -> bool:
        """The head of an answer is there, or all of it. `silence`: seconds that may pass within the rest.

        Returns whether it is an answer that needs no further attempt.
        """
        if self.when is not None:
            self._alarms.discard(self)
        status, seconds = response.status, time.monotonic() - self._began
        ok = status < 400  # of_status knows that too, in twice the time
        outcome = self.outcome = Outcome("OK", False, seconds) if ok else of_status(status, response.headers, seconds)
        connection = response.connection
        if connection is None:
            self._end(outcome)
        else:
            connection.add_callback(partial(self._body_ended, response))
            if silence is not None and status != HTTPStatus.SWITCHING_PROTOCOLS:
                _limit(connection, silence)
        return ok

    def failed(self, error: BaseException, full: float | None = None) -> Exception:
        """`error` came instead of an answer: returns it, or TimeoutError if time was up; raises it if it is no
        Exception. `full`: seconds that it might have taken in a call that serves no other; None: any number."""
        if self.disarm(type(error)):
            error = TimeoutError()
        self.outcome = of_error(error, time.monotonic() - self._began)
        if self.outcome.code == "DEADLINE_EXCEEDED":
            had = None if self.when is None else self.when - self._began
            self.outcome = self.outcome._replace(hurried=hurried(had, full, self.node.usual))
        self._end(self.outcome)
        if isinstance(error, Exception):
            return error
        raise error

    def _body_ended(self, response: aiohttp.ClientResponse) -> None:
        """The connection is free again, or lost: then the instance has not answered, whatever the head said."""
        error = response.content.exception()
        if error is not None and isinstance(error, (*CUT_OFF, TimeoutError)):
            self._end(of_error(error, self.outcome.seconds))
        else:
            self._end(self.outcome)

    def _end(self, outcome: Outcome) -> None:
        self.node.end(outcome if outcome.code != FULL else answered_so(outcome))
        self._link.release()
        if self._turnstile is not None:
            self._turnstile.ended(self.node, outcome)


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
