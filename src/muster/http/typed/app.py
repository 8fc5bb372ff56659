"""Handlers of a class as an ASGI application, JSON in and out:

    POST /greeter/Say.Hello, /say/hello, /greeter.Say/Hello     the request as the body
    GET  /-/schema                                              what all of them take and give, as JSON Schema
    GET  /health/ID, /health                                    see health.py

Anything else is another application's, or nobody's.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, nullcontext
from dataclasses import dataclass

from muster.http.asgi import App, Receive, Scope, Send
from muster.http.typed.event_stream import EventStream
from muster.http.typed.health import health_of
from muster.http.typed.leaving import Leaving, Spawn
from muster.http.typed.problem import CONTENT_TYPE, Headers, Problem, Refused, problem_of
from muster.http.typed.request import JSON, LINES, Head, check_json, head_of, messages, whole_body
from muster.model.errors import Fault
from muster.rpc.answering import Answering, Messages
from muster.rpc.current import Pairs, Served, serving
from muster.rpc.description import HTTP_PATH
from muster.serve.health import HealthState
from muster.serve.lifecycle import Phase
from muster.serve.settings import Limits

_JSON: Headers = ((b"content-type", JSON.encode()),)
_PROBLEM: Headers = ((b"content-type", CONTENT_TYPE.encode()), (b"cache-control", b"no-store"))
_CLOSE = (b"connection", b"close")
_STREAMS = (LINES, "application/x-ndjson", JSON)
_LISTED = 50


@dataclass(frozen=True, slots=True)
class Hosted:
    """What one instance serves by HTTP. `other` is another application that gets what is nobody else's, or None."""

    instance_id: str
    health: HealthState
    answering: Iterable[Answering] = ()
    document: bytes = b""
    other: App | None = None


class TypedApp:
    """Answers for one instance. `spawn` owns the tasks that look whether callers are still there."""

    def __init__(self, hosted: Hosted, limits: Limits, spawn: Spawn) -> None:
        self._hosted = hosted
        self._limits = limits
        self._spawn = spawn
        self._routes = _routes(hosted.answering)
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For scopes of type `http`; the server offers no others."""
        answering = self._routes.get(scope["path"])
        if answering is None:
            await self._elsewhere(scope, receive, send)
            return
        self._active += 1
        try:
            await self._serve(answering, scope, receive, send)
        except Refused as error:
            await self._refuse(error.problem, send)
        finally:
            self._active -= 1

    async def _serve(self, answering: Answering, scope: Scope, receive: Receive, send: Send) -> None:
        self._admit(scope)
        head = head_of(scope)
        call = _served(answering.path, scope, head)
        sent, leaving = await self._received(answering, head, receive)
        serving.set(call)
        with leaving:
            if answering.operation.gives_stream:
                await self._stream(answering, sent, call, send)
                return
            answer = await _answer(answering, sent, call)
        await (self._refuse(answer, send) if isinstance(answer, Problem) else self._reply(200, _JSON, answer, send))

    def _admit(self, scope: Scope) -> None:
        if scope["method"] != "POST":
            detail = f"method {scope['method']} is not allowed here: send a POST"
            raise Refused(405, "UNIMPLEMENTED", detail, (b"allow", b"POST"))
        if self._hosted.health.phase is Phase.STARTING:
            raise Refused(503, "UNAVAILABLE", "the service has not started yet")
        most = self._limits.calls
        if most is not None and self._active > most:
            raise Refused(503, "UNAVAILABLE", f"the server takes no more than {most} calls at once")

    async def _received(
        self, answering: Answering, head: Head, receive: Receive
    ) -> tuple[bytes | Messages, Leaving | nullcontext[None]]:
        """What the caller sent, and what looks out for its going: who reads a stream finds out by that."""
        if answering.operation.takes_stream:
            check_json(head, _STREAMS)
            return messages(receive, self._limits.received), nullcontext()
        body = await whole_body(head, receive, self._limits.received)
        if body:
            check_json(head, (JSON,))
        return body, Leaving(receive, self._spawn)

    async def _stream(self, answering: Answering, sent: bytes | Messages, call: Served, send: Send) -> None:
        """Replies as events. What fails before there was anything to send has the status of its failure."""
        async with EventStream(send, self._ending()) as events:
            try:
                async with asyncio.timeout(call.remaining), aclosing(_replies(answering, sent)) as replies:
                    async for reply in replies:
                        await events.reply(reply)
            except Fault as fault:
                problem = problem_of(fault)
            except TimeoutError:
                problem = _late(call)
            else:
                await events.end()
                return
            if events.begun:
                await events.fail(problem)
        if not events.begun:
            await self._refuse(problem, send)

    async def _elsewhere(self, scope: Scope, receive: Receive, send: Send) -> None:
        hosted, path, asks = self._hosted, scope["path"], scope["method"] in ("GET", "HEAD")
        if asks and (health := health_of(path, hosted.instance_id, hosted.health)) is not None:
            await self._reply(*health, send)
        elif asks and path == HTTP_PATH and hosted.document:
            await self._reply(200, _JSON, hosted.document, send)
        elif hosted.other is not None:
            await hosted.other(scope, receive, send)
        else:
            routes = sorted(each.operation.route for each in set(self._routes.values()))
            offered = ", ".join(routes[:_LISTED]) or "nothing"
            await self._refuse(Problem(404, "UNIMPLEMENTED", f"{path!r} leads nowhere; offered: {offered}"), send)

    async def _refuse(self, problem: Problem, send: Send) -> None:
        await self._reply(problem.status, (*_PROBLEM, *problem.headers), problem.body, send)

    async def _reply(self, status: int, headers: Headers, body: bytes, send: Send) -> None:
        length = (b"content-length", b"%d" % len(body))
        await send({"type": "http.response.start", "status": status, "headers": [*headers, length, *self._ending()]})
        await send({"type": "http.response.body", "body": body})

    def _ending(self) -> Headers:
        """Whoever still calls an instance that leaves is sent away after the answer."""
        return () if self._hosted.health.phase is Phase.SERVING else (_CLOSE,)


def _routes(answering: Iterable[Answering]) -> dict[str, Answering]:
    found: dict[str, Answering] = {}
    for each in answering:
        package = each.path[1:].rpartition("/")[0].rpartition(".")[0]
        found[each.path] = found[each.operation.route] = found[f"/{package}/{each.operation.short}"] = each
    return found


def _served(path: str, scope: Scope, head: Head) -> Served:
    deadline = None if head.timeout is None else time.monotonic() + head.timeout
    client = scope["client"]

    def headers() -> Pairs:
        return ((name.decode("latin-1"), value.decode("latin-1")) for name, value in scope["headers"])

    return Served(path, f"{client[0]}:{client[1]}" if client else "", deadline, headers)


async def _answer(answering: Answering, sent: bytes | Messages, call: Served) -> bytes | Problem:
    try:
        async with asyncio.timeout(call.remaining):
            return await answering.once(answering.argument(sent))
    except Fault as fault:
        return problem_of(fault)
    except TimeoutError:
        return _late(call)


async def _replies(answering: Answering, sent: bytes | Messages) -> AsyncGenerator[bytes, None]:
    async with aclosing(answering.many(answering.argument(sent))) as replies:
        async for reply in replies:
            yield reply


def _late(call: Served) -> Problem:
    return Problem(504, "DEADLINE_EXCEEDED", f"{call.method} did not answer in the time that the caller gave")
