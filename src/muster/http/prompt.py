"""Answers that need no task: given while the request is being read, and written at once.

A task, a scope and two ASGI messages for each request are most of what a small request costs in uvicorn. An
application whose answers are in memory can spare them: it is asked first for a prompt answer, and only where it has
none the request goes the usual way.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from email.utils import formatdate
from functools import lru_cache
from typing import TYPE_CHECKING, NamedTuple

from muster.http.connection import Connection, Connections

if TYPE_CHECKING:
    from uvicorn.config import Config

_log = logging.getLogger("muster.http")


class WholeRequest(NamedTuple):
    """A request that has arrived whole. `target` is as the client wrote it, names of headers are in lower case."""

    method: str
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Reply(NamedTuple):
    """An answer as it is written. `head` is the status line and the headers but `date` and `connection`, each line
    with its end, and without the empty line; it must say how long `body` is."""

    head: bytes
    body: bytes


Prompt = Callable[[WholeRequest], Reply | None]
"""The answer to a request, or None where it takes a task: nothing may have been changed then.

Called on the event loop, and must not block. What it raises is answered with 500, as an ASGI application's errors are.
"""

_FAILED = Reply(
    b"HTTP/1.1 500 Internal Server Error\r\ncontent-type: text/plain; charset=utf-8\r\ncontent-length: 21\r\n",
    b"Internal Server Error",
)
_MOST_UNSENT = 256 * 1024
"""Bytes that may wait for a client to read them. Beyond, its requests go the usual way, where writing waits."""


class PromptConnection(Connection):
    """A connection that asks for a prompt answer before it starts a task.

    Only for a request whose end is in the same read of the socket as the end of its headers, and while no other request
    of the connection is under way. Everything else is uvicorn's.
    """

    def __init__(self, config: Config, state: Connections, prompt: Prompt) -> None:
        super().__init__(config, state)
        self._prompt = prompt
        self._held: list[bytes] | None = None
        self._idle = False

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._held is not None:
            self._hand_over()
        elif self._idle and not self.transport.is_closing():
            self.timeout_keep_alive_task = self.loop.call_later(
                self.timeout_keep_alive, self.timeout_keep_alive_handler
            )

    def on_message_begin(self) -> None:
        self.url = b""
        self.headers = []
        self.expect_100_continue = False
        self._head_begins()

    def on_headers_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        if self._may_answer():
            self._head_ends()
            self._held = []
        else:
            self._usual_way()

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        if self._held is not None and self._answered(b"".join(self._held)):
            self._held = None
            self._in_head = True
            return
        if self._held is not None:
            self._hand_over()
        super().on_message_complete()

    def _may_answer(self) -> bool:
        """Whether the next answer may be written now: none is under way, and the client reads what it gets."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and self.transport.get_write_buffer_size() < _MOST_UNSENT
        )

    def _answered(self, body: bytes) -> bool:
        method, keep_alive = self.parser.get_method().decode("ascii"), self._keeps_alive()
        try:
            reply = self._prompt(WholeRequest(method, self.url, self.headers, body))
        except Exception:
            _log.exception("%s has no answer", method)
            reply, keep_alive = _FAILED, False
        if reply is None:
            return False
        self.transport.writelines((reply.head, _rest_of_head(int(time.time()), keep_alive), reply.body))
        self.server_state.total_requests += 1
        self._idle = keep_alive
        if not keep_alive:
            self.transport.close()
        return True

    def _keeps_alive(self) -> bool:
        return self.parser.should_keep_alive() and self.parser.get_http_version() != "1.0"

    def _hand_over(self) -> None:
        """What was held for a prompt answer goes the usual way, unless the rest of it was no HTTP."""
        parts, self._held = self._held or [], None
        if self.transport.is_closing():
            return
        self._usual_way()
        for part in parts:
            super().on_body(part)

    def _usual_way(self) -> None:
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        self._idle = False
        super().on_headers_complete()


@lru_cache(maxsize=2)
def _rest_of_head(second: int, keep_alive: bool) -> bytes:
    date = b"date: %b\r\n" % formatdate(second, usegmt=True).encode()
    return date + (b"\r\n" if keep_alive else b"connection: close\r\n\r\n")
