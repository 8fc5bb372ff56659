"""The ASGI application of the proxy: answered from what is followed, or passed on."""

from __future__ import annotations

from random import Random
from typing import Final
from urllib.parse import parse_qsl

from muster.agent.blocking import TooManyWaiting, wait_seconds
from muster.agent.proxy.following import Following
from muster.agent.proxy.question import Asked, Headers, asked, headers_upstream
from muster.agent.proxy.upstream import Upstream, unavailable
from muster.http.asgi import Message, Receive, Scope, Send
from muster.model.errors import MusterError
from muster.registry.consul.answers import Answer
from muster.registry.consul.client import Request

LARGEST_BODY = 1 << 20
"""Bytes of a request. Consul's own limit for a value is 512 KiB."""

PASSED_ON_SECONDS = 60.0

_NOT_RELAYED: Final = frozenset(
    {"connection", "content-encoding", "content-length", "date", "keep-alive", "server", "transfer-encoding"}
)
"""They are about the connection to the agent, or will be true of ours only by chance."""


class App:
    """Consul's HTTP API, as the agent behind `upstream` gives it. Serves HTTP only."""

    def __init__(self, upstream: Upstream, following: Following) -> None:
        self._upstream = upstream
        self._following = following
        self._rng = Random()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        answer = await self._answer(scope, receive)
        if answer is not None:
            await _send(answer, send)

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | None:
        """None where the client has gone. Nothing that an agent or a client does gets any further than here."""
        body = await _body(receive)
        if body is None:
            return None
        if len(body) > LARGEST_BODY:
            return _text(413, f"Request body too large: {LARGEST_BODY} bytes are allowed")
        path, query = scope["raw_path"].decode("latin-1"), scope["query_string"].decode("latin-1")
        if not path.startswith("/"):
            return _text(400, "")  # behind the agent's address it would become a part of that, and lead elsewhere
        headers = headers_upstream(scope["headers"])
        question = asked(scope["method"], path, query, headers)
        try:
            if question is not None:
                return await self._shared(question, receive)
            return await self._passed_on(scope["method"], path, query, headers, body)
        except TooManyWaiting:
            return _text(503, "Too many blocking queries are waiting; ask again later, or without index")
        except MusterError as error:
            return unavailable(self._upstream, error)

    async def _shared(self, question: Asked, receive: Receive) -> Answer | None:
        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        seconds = wait_seconds(question.seconds, self._rng) if question.index else PASSED_ON_SECONDS
        with self._following.share(question.question) as followed:
            if followed is None:
                return await self._upstream.ask(question.question, question.index)
            return await followed.answer(question.index, seconds, gone)

    async def _passed_on(self, method: str, path: str, query: str, headers: Headers, body: bytes) -> Answer:
        params = tuple(parse_qsl(query, keep_blank_values=True))
        request = Request(method, path, PASSED_ON_SECONDS, params, body or None, headers=headers)
        return await self._upstream.pass_on(request)


async def _body(receive: Receive) -> bytes | None:
    """The request's body, or just more than LARGEST_BODY of it; None where the client has gone."""
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        parts.append(message.get("body", b""))
        size += len(parts[-1])
        if size > LARGEST_BODY or not message.get("more_body", False):
            return b"".join(parts)


async def _send(answer: Answer, send: Send) -> None:
    headers = [
        (name.lower().encode("latin-1"), value.encode("latin-1", "replace"))
        for name, value in answer.headers.items()
        if name.lower() not in _NOT_RELAYED
    ]
    headers.append((b"content-length", b"%d" % len(answer.body)))
    start: Message = {"type": "http.response.start", "status": answer.status, "headers": headers}
    await send(start)
    await send({"type": "http.response.body", "body": answer.body})


def _text(status: int, text: str) -> Answer:
    return Answer(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode("utf-8", "replace"), "the proxy")
