"""The ASGI application: a request in, an answer out; waiting and limits between."""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass
from functools import lru_cache
from random import Random
from typing import Final

import msgspec

from muster.agent.api import (
    access,
    agent,
    agent_health,
    catalog,
    checks,
    connect,
    events,
    health,
    kv,
    machine,
    maintenance,
    nodes,
    operator,
    registering,
    services,
    sessions,
    status,
    transactions,
)
from muster.agent.api.answer import JSON, TEXT, Answer, Query, Refused, text_answer
from muster.agent.api.request import MalformedQuery, Request, parse_query
from muster.agent.api.routing import Endpoint, Router, redirect, wrong_method
from muster.agent.blocking import TooManyWaiting, resolve
from muster.agent.state import State
from muster.http.asgi import Receive, Scope, Send

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_VARY: Final = (b"vary", b"accept-encoding")
_NAMESPACE: Final = "Bad request: Invalid {}: {} - Namespaces are a Consul Enterprise feature"

ROUTES: Final = Router(
    (
        *agent.ROUTES,
        *agent_health.ROUTES,
        *machine.ROUTES,
        *services.ROUTES,
        *checks.ROUTES,
        *maintenance.ROUTES,
        *catalog.ROUTES,
        *registering.ROUTES,
        *nodes.ROUTES,
        *connect.ROUTES,
        *health.ROUTES,
        *kv.ROUTES,
        *sessions.ROUTES,
        *transactions.ROUTES,
        *events.ROUTES,
        *operator.ROUTES,
        *access.ROUTES,
        *status.ROUTES,
    )
)


class _ClientGone(Exception):
    """The client closed the connection before it had its answer."""


@dataclass(frozen=True, slots=True)
class _Encoding:
    """What a request says of how it wants its answer written."""

    gzip: bool
    pretty: bool


class API:
    """Consul's HTTP API over a State. `largest_body`, in bytes, is that of a request.

    Serves HTTP only: whoever calls it must not pass on lifespan events.
    """

    def __init__(self, state: State, largest_body: int) -> None:
        self._state = state
        self._largest_body = largest_body
        self._rng = Random()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except _ClientGone:
            return
        headers = [*answer.headers, (b"content-length", b"%d" % len(answer.body))]
        if answer.content_type:
            headers.append((b"content-type", answer.content_type))
        await send({"type": "http.response.start", "status": answer.status, "headers": headers})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer:
        method, path = scope["method"], scope["path"]
        if _CONTROL.search(path) or (b"%" in scope["raw_path"] and _MALFORMED.search(scope["raw_path"])):
            return Answer(400)
        found = ROUTES.find(path)
        if found is None or "//" in path or "/." in path:
            elsewhere = _elsewhere(method, path, scope["query_string"])
            if elsewhere is not None or found is None:
                return elsewhere or Answer(404)
        endpoint, rest = found
        try:
            params = parse_query(scope["query_string"])
        except MalformedQuery:
            return Answer(500, headers=(_VARY,))
        encoding = _Encoding(_wants_gzip(scope["headers"]), "pretty" in params)
        answer = await self._handled(endpoint, scope, Request(method, rest, params, scope["query_string"]), receive)
        return _written(answer, encoding)

    async def _handled(self, endpoint: Endpoint, scope: Scope, request: Request, receive: Receive) -> Answer:
        if request.method == "OPTIONS":
            return Answer(headers=((b"allow", endpoint.allow),))
        handler = endpoint.handlers.get(request.method)
        if handler is None:
            return wrong_method(request.method, endpoint)
        try:
            _refuse_namespace(scope, request)
            body = await self._body(receive)
            request = Request(request.method, request.rest, request.params, request.query, body)
            result = handler(self._state, request)
            return result if isinstance(result, Answer) else await self._resolved(result, receive)
        except Refused as refused:
            return refused.answer
        except TooManyWaiting:
            return text_answer(503, "Too many blocking queries are waiting; ask again later, or without index")

    async def _body(self, receive: Receive) -> bytes:
        parts, size = [], 0
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientGone
            part = message.get("body", b"")
            parts.append(part)
            size += len(part)
            if size > self._largest_body:
                raise Refused(413, f"Request body too large: {self._largest_body} bytes are allowed")
            if not message.get("more_body", False):
                return b"".join(parts)

    async def _resolved(self, query: Query, receive: Receive) -> Answer:
        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        found = await resolve(query.ask, query.patience, self._state.waiters, self._rng, gone)
        if found is None:
            raise _ClientGone
        return found.answer()


def _elsewhere(method: str, path: str, query: bytes) -> Answer | None:
    """Where a path leads that is no endpoint's, or is written otherwise; None for nowhere."""
    location = "/ui/" if path == "/" else ROUTES.redirection(path)
    return None if location is None else redirect(method, location, query)


def _refuse_namespace(scope: Scope, request: Request) -> None:
    if request.params.first("ns"):
        raise Refused(400, _NAMESPACE.format("query parameter", '"ns"'))
    if any(name == b"x-consul-namespace" and value for name, value in scope["headers"]):
        raise Refused(400, _NAMESPACE.format("header", '"X-Consul-Namespace"'))


def _wants_gzip(headers: list[tuple[bytes, bytes]]) -> bool:
    return any(name == b"accept-encoding" and _names_gzip(value) for name, value in headers)


@lru_cache(maxsize=256)
def _names_gzip(accepted: bytes) -> bool:
    """Whether an Accept-Encoding names gzip with a weight above 0; `*` does not."""
    for part in accepted.lower().split(b","):
        coding, _, weight = part.partition(b";")
        if coding.strip() == b"gzip":
            return weight.strip().removeprefix(b"q=").strip() not in (b"0", b"0.0", b"0.00", b"0.000")
    return False


def _written(answer: Answer, encoding: _Encoding) -> Answer:
    """The answer as it goes out: readable if asked for, compressed if possible."""
    body = answer.body
    if body and encoding.pretty and answer.content_type == JSON:
        body = msgspec.json.format(body, indent=4) + b"\n"
    if body and encoding.gzip and answer.content_type in (JSON, TEXT):
        headers = (*answer.headers, (b"content-encoding", b"gzip"), _VARY)
        return Answer(answer.status, _gzip(body), answer.content_type, headers)
    return Answer(answer.status, body, answer.content_type, (*answer.headers, _VARY))


def _gzip(body: bytes) -> bytes:
    """Fast rather than small: most readers are on the same machine."""
    return _gzip_once(body) if len(body) <= _KEPT_BODY else _compress(body)


_KEPT_BODY: Final = 64 << 10


@lru_cache(maxsize=512)
def _gzip_once(body: bytes) -> bytes:
    return _compress(body)


def _compress(body: bytes) -> bytes:
    compressor = zlib.compressobj(level=1, wbits=31)
    return compressor.compress(body) + compressor.flush()
