"""The gateway as an ASGI application."""

from __future__ import annotations

import asyncio
from dataclasses import replace

from muster.gateway.body import BodyLimits, Gone, check, receive_body
from muster.gateway.exchange import Request, Response
from muster.gateway.forward import HEALTH, Forwarder
from muster.gateway.problem import Refused, refused
from muster.http.asgi import Receive, Scope, Send


class App:
    """Answers HTTP requests with what services answer. At most `concurrent` are worked on at a time; more are refused
    with 503. A client that goes away takes its call with it."""

    def __init__(self, forwarder: Forwarder, body: BodyLimits, concurrent: int) -> None:
        self._forwarder = forwarder
        self._body = body
        self._concurrent = concurrent
        self._active = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """For scopes of type `http`; the server offers no others."""
        request = _request(scope)
        self._active += 1
        try:
            await _send(await self._answer(request, receive), request.method, send)
        except Gone:
            return
        finally:
            self._active -= 1

    async def _answer(self, request: Request, receive: Receive) -> Response:
        try:
            if self._active > self._concurrent:
                raise _too_many(self._concurrent)
            _check_method(request)
            request = replace(request, body=await receive_body(request, receive, self._body))
            check(request)
        except Refused as error:
            return error.problem.response(request.path)
        return await self._unless_gone(request, receive)

    async def _unless_gone(self, request: Request, receive: Receive) -> Response:
        """The forwarder's answer. Raises Gone, and cancels the call, when the client goes away before it is there."""
        async with asyncio.TaskGroup() as tasks:
            answering = tasks.create_task(self._forwarder.answer(request))
            leaving = tasks.create_task(_gone(receive))
            await asyncio.wait((answering, leaving), return_when=asyncio.FIRST_COMPLETED)
            answering.cancel()
            leaving.cancel()
        if answering.cancelled():
            raise Gone
        return answering.result()


async def _gone(receive: Receive) -> None:
    """Returns when the client has gone away, by closing its connection or its sending half."""
    while (await receive())["type"] != "http.disconnect":
        pass


def _request(scope: Scope) -> Request:
    """HEAD is a GET whose body is not sent (RFC 9110, section 9.3.2)."""
    return Request(
        method=scope["method"],
        path=scope["raw_path"].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        headers=tuple(scope["headers"]),
    )


def _check_method(request: Request) -> None:
    allowed = ("GET", "HEAD") if request.path in ("/", HEALTH) else ("GET", "HEAD", "POST")
    if request.method not in allowed:
        names = ", ".join(allowed)
        detail = f"method {request.method} is not allowed here; allowed: {names}"
        raise refused(405, "UNIMPLEMENTED", detail, [(b"allow", names.encode())])


def _too_many(concurrent: int) -> Refused:
    detail = f"the gateway works on {concurrent} requests, as many as it may; try again"
    return refused(503, "UNAVAILABLE", detail, [(b"retry-after", b"1")])


async def _send(response: Response, method: str, send: Send) -> None:
    length = (b"content-length", str(len(response.body)).encode())
    await send({"type": "http.response.start", "status": response.status, "headers": [*response.headers, length]})
    await send({"type": "http.response.body", "body": b"" if method == "HEAD" else response.body})
