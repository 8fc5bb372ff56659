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
from muster.http.client.ending import CUT_OFF, NEVER_SENT, of_error, of_status
from muster.http.client.link import Link
from muster.http.client.routing import chosen
from muster.model.outcome import Outcome

if TYPE_CHECKING:
    from aiohttp.connector import Connection

Send = Callable[[aiohttp.ClientRequest], Awaitable[aiohttp.ClientResponse]]
"""Sends a request to the link that `routing.chosen` holds, and returns when the head of the answer is there."""

WHOLE = 32 * 1024
"""Bytes; aiohttp stops reading from a connection only at 64 KiB that nobody takes."""


class Attempt:
    """An attempt at `node`, which counts as busy from now until `failed`, or until the body of its answer has ended."""

    __slots__ = ("_began", "_link", "node")

    def __init__(self, node: Node[Link]) -> None:
        link = node.link
        assert link is not None, "a node is chosen only while it has a link"
        self.node = node
        self._link = link
        self._began = time.monotonic()
        node.begin()
        link.hold()
        chosen.set(link)

    def failed(self, error: BaseException) -> Outcome:
        """`error` came instead of an answer."""
        outcome = of_error(error, time.monotonic() - self._began)
        self._end(outcome)
        if isinstance(error, NEVER_SENT) and not isinstance(error, aiohttp.ClientSSLError):
            self._link.broken(str(error))
        return outcome

    def answered(self, response: aiohttp.ClientResponse, silence: float | None) -> Outcome:
        """The head of an answer is there, or all of it. `silence`: seconds that may pass within the rest of it."""
        outcome = of_status(response.status, response.headers, time.monotonic() - self._began)
        if response.connection is None:
            self._end(outcome)
        else:
            response.connection.add_callback(partial(self._body_ended, outcome, response))
            if silence is not None and response.status != HTTPStatus.SWITCHING_PROTOCOLS:
                _limit(response.connection, silence)
        return outcome

    def _body_ended(self, outcome: Outcome, response: aiohttp.ClientResponse) -> None:
        """The connection is free again, or lost: then the instance has not answered, whatever the head said."""
        error = response.content.exception()
        if error is not None and isinstance(error, (*CUT_OFF, TimeoutError)):
            outcome = of_error(error, outcome.seconds)
        self._end(outcome)

    def _end(self, outcome: Outcome) -> None:
        self.node.end(outcome)
        self._link.release()


def _limit(connection: Connection, silence: float) -> None:
    """aiohttp's own limit from here on: as an option of the request it costs a timer for each read, 10 µs in all."""
    if connection.protocol is not None:
        connection.protocol.read_timeout = silence
        connection.protocol.start_timeout()


def is_short(response: aiohttp.ClientResponse) -> bool:
    """Whether a body is not there yet, is on its way, and has room. What a compressed one unfolds to nobody knows."""
    if response.connection is None or hdrs.CONTENT_ENCODING in response.headers:
        return False
    return 0 < (response.content_length or 0) <= WHOLE
