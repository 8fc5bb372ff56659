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
from typing import TYPE_CHECKING, NamedTuple, Protocol

from muster.http.asgi import App, Send
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
    """An answer as it is written. `head` is the status line and the headers but `Date` and `Connection`, each line
    with its end, and without the empty line; it must say how long `body` is, which is not sent to who asks by HEAD."""

    head: bytes
    body: bytes


Give = Callable[[Callable[[], Reply]], None]
"""Takes, once and on the event loop, what makes the answer."""


class Later(Protocol):
    """An answer that will come, without a task that waits for it."""

    def begin(self, give: Give) -> None:
        """From now on `give` may be called, but not within this call."""
        ...

    def abandon(self) -> App | None:
        """Nobody wants the answer this way any more: `give` must not be called. Returns who gives it instead, if
        somebody still wants it; None for the ASGI application, which is then asked the same."""
        ...


Prompt = Callable[[WholeRequest], Reply | Later | None]
"""The answer to a request, or a promise of it, or None where it takes a task. After None, and after a promise that was
abandoned in its favour, the ASGI application may be asked the same: nothing may have been changed then.

Called on the event loop, and must not block. What it raises, or what makes a promised answer raises, is answered with
500, as an ASGI application's errors are.
"""

_FAILED = Reply(
    b"HTTP/1.1 500 Internal Server Error\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 21\r\n",
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
        self._promised: tuple[Later, _Parsed] | None = None
        self._idle = False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        if self._promised is not None:
            later, _ = self._promised
            self._promised = None
            later.abandon()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if self._held is not None:
            parts, self._held = self._held, None
            if not self.transport.is_closing():
                self._usual_way(parts)
        elif self._idle:
            self._close_when_idle()

    def on_message_begin(self) -> None:
        if self._promised is not None:
            self._wait_the_usual_way()
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
            self._usual_way([])

    def on_body(self, body: bytes) -> None:
        if self._held is None:
            super().on_body(body)
        else:
            self._held.append(body)

    def on_message_complete(self) -> None:
        if self.parser.should_upgrade():
            return
        parts, self._held = self._held, None
        if parts is not None:
            if self._seen_to(self._parsed(b"".join(parts))):
                self._in_head = True
                return
            self._usual_way(parts)
        super().on_message_complete()

    def shutdown(self) -> None:
        if self._promised is None:
            super().shutdown()
        else:
            later, parsed = self._promised
            self._promised = later, parsed._replace(keep_alive=False)

    def _may_answer(self) -> bool:
        """Whether the next answer may be written now: none is under way, and the client reads what it gets."""
        return (
            (self.cycle is None or self.cycle.response_complete)
            and not self.expect_100_continue
            and not self.flow.write_paused
            and self.transport.get_write_buffer_size() < _MOST_UNSENT
        )

    def _parsed(self, body: bytes) -> _Parsed:
        version = self.parser.get_http_version()
        request = WholeRequest(self.parser.get_method().decode("ascii"), self.url, self.headers, body)
        return _Parsed(request, version, version != "1.0" and self.parser.should_keep_alive())

    def _seen_to(self, parsed: _Parsed) -> bool:
        """Answers a request, or keeps the promise of an answer. False where it takes a task."""
        self._idle = False
        try:
            found = self._prompt(parsed.request)
        except Exception:
            self._failed(parsed)
            return True
        if isinstance(found, Reply):
            self._write(found, parsed)
        elif found is not None:
            self._promised = found, parsed
            found.begin(self._give)
        return found is not None

    def _give(self, make: Callable[[], Reply]) -> None:
        assert self._promised is not None
        _, parsed = self._promised
        self._promised = None
        try:
            reply = make()
        except Exception:
            self._failed(parsed)
            return
        self._write(reply, parsed)
        if self._idle:
            self._close_when_idle()

    def _write(self, reply: Reply, to: _Parsed) -> None:
        keep_alive = to.keep_alive
        body = b"" if to.request.method == "HEAD" else reply.body
        self.transport.writelines((reply.head, _rest_of_head(int(time.time()), keep_alive), body))
        self.server_state.total_requests += 1
        self._idle = keep_alive
        if not keep_alive:
            self.transport.close()

    def _failed(self, at: _Parsed) -> None:
        _log.exception("a request has no answer")
        self._write(_FAILED, at._replace(keep_alive=False))

    def _close_when_idle(self) -> None:
        self._unset_keepalive_if_required()
        self.timeout_keep_alive_task = self.loop.call_later(self.timeout_keep_alive, self.timeout_keep_alive_handler)

    def _wait_the_usual_way(self) -> None:
        """Another request is behind the one that waits: uvicorn knows how to keep answers in order."""
        assert self._promised is not None
        (later, parsed), self._promised = self._promised, None
        app = self.app
        self.app = later.abandon() or app
        parser, self.parser = self.parser, parsed  # type: ignore[assignment]  # the real one is past that request
        self.url, self.headers = parsed.request.target, parsed.request.headers
        self.expect_100_continue = False
        self._usual_way([parsed.request.body])
        super().on_message_complete()
        self.parser, self.app = parser, app

    def _usual_way(self, body: list[bytes]) -> None:
        """Starts the task that was not started for the request whose headers were read last."""
        url, headers, expects = self.url, self.headers, self.expect_100_continue
        super().on_message_begin()
        self.url, self.expect_100_continue = url, expects
        self.headers += headers
        self._idle = False
        super().on_headers_complete()
        for part in body:
            super().on_body(part)


class _Parsed(NamedTuple):
    """A request with what the parser says of it, which the parser says only until the next one begins."""

    request: WholeRequest
    version: str
    keep_alive: bool

    def get_http_version(self) -> str:
        return self.version

    def get_method(self) -> bytes:
        return self.request.method.encode()

    def should_keep_alive(self) -> bool:
        return self.keep_alive

    def should_upgrade(self) -> bool:
        return False


async def send_reply(reply: Reply, send: Send) -> None:
    """A reply as ASGI messages."""
    status, *lines = reply.head.removesuffix(b"\r\n").split(b"\r\n")
    headers = [line.split(b": ", 1) for line in lines]
    await send({"type": "http.response.start", "status": int(status.split(b" ", 2)[1]), "headers": headers})
    await send({"type": "http.response.body", "body": reply.body})


@lru_cache(maxsize=2)
def _rest_of_head(second: int, keep_alive: bool) -> bytes:
    date = b"Date: %b\r\n" % formatdate(second, usegmt=True).encode()
    return date + (b"\r\n" if keep_alive else b"Connection: close\r\n\r\n")
