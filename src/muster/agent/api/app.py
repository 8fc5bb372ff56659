"""The ASGI application: a request in, an answer out; waiting and limits between."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Hashable
from functools import partial
from random import Random
from typing import Final, NamedTuple

from muster.agent.api import (
    access,
    agent,
    agent_health,
    authority,
    catalog,
    checks,
    config,
    connect,
    events,
    health,
    kv,
    machine,
    maintenance,
    monitor,
    namespaces,
    nodes,
    operator,
    query,
    registering,
    services,
    sessions,
    snapshot,
    status,
    transactions,
    ui,
)
from muster.agent.api.answer import Answer, Query, Refused, Stream, text_answer
from muster.agent.api.kept import KeptReplies
from muster.agent.api.lasting import Lasting
from muster.agent.api.promise import Promise
from muster.agent.api.request import Address, MalformedQuery, Params, Request, Told, parse_query, parse_target, told
from muster.agent.api.routing import Handler, Router, redirect, wrong_method
from muster.agent.api.streaming import stream
from muster.agent.api.writing import VARY, headers_of, reply_of, written
from muster.agent.blocking import Found, TooManyWaiting, must_wait, resolve, wait_seconds
from muster.agent.state import State
from muster.http.asgi import Receive, Scope, Send
from muster.http.prompt import Later, Reply, WholeRequest

_MALFORMED = re.compile(rb"%(?![0-9A-Fa-f]{2})")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_MALFORMED_PATH: Final = text_answer(400, "400 Bad Request").adding((b"Connection", b"close"))
_FULL: Final = text_answer(503, "Too many blocking queries are waiting; ask again later, or without index")

ROUTES: Final = Router(
    (
        *agent.ROUTES,
        *agent_health.ROUTES,
        *machine.ROUTES,
        *services.ROUTES,
        *checks.ROUTES,
        *maintenance.ROUTES,
        *monitor.ROUTES,
        *config.ROUTES,
        *catalog.ROUTES,
        *registering.ROUTES,
        *nodes.ROUTES,
        *connect.ROUTES,
        *authority.ROUTES,
        *health.ROUTES,
        *kv.ROUTES,
        *sessions.ROUTES,
        *transactions.ROUTES,
        *events.ROUTES,
        *query.ROUTES,
        *operator.ROUTES,
        *access.ROUTES,
        *snapshot.ROUTES,
        *status.ROUTES,
        *ui.ROUTES,
    )
)
_WITH_NAMESPACES: Final = namespaces.with_namespaces(ROUTES.paths)


class _ClientGone(Exception):
    """The client closed the connection before it had its answer."""


class _Call(NamedTuple):
    """Who handles a request, with everything but its body, and how the answer is to be written."""

    handler: Handler
    method: str
    rest: str
    params: Params
    query: bytes
    gzip: bool

    def made(self, state: State, body: bytes) -> Answer | Query | Stream:
        return self.handler(state, Request(self.method, self.rest, self.params, self.query, body))

    def written(self, answer: Answer) -> Answer:
        return written(answer, gzip=self.gzip, pretty="pretty" in self.params)


class API:
    """Consul's HTTP API over a State, within the limits that are in force there.

    An ASGI application that serves HTTP only: whoever calls it must not pass on lifespan events. `prompt` is its short
    way, for requests that need not wait: see muster.http.prompt.
    """

    def __init__(self, state: State) -> None:
        self._state = state
        journal = state.tables.journal
        self._lasting = None if journal is None else Lasting(journal)
        self._kept = KeptReplies()
        self._rng = Random()

    def prompt(self, request: WholeRequest) -> Reply | Later | None:
        """The answer, if there is one now, or a promise of it; None for a body that is too large, and for a stream."""
        if self._lasting is None:
            return self._found(request)
        position = self._lasting.position
        return self._lasting.prompt(request, self._found(request), position)

    def _found(self, request: WholeRequest) -> Reply | Later | None:
        said = told(request.headers)
        key = (request.target, said) if request.method == "GET" else None
        kept = None if key is None else self._kept.reply(key)
        if kept is not None or len(request.body) > self._state.in_force.limits.http_max_body_bytes:
            return kept
        call = _call(request.method, parse_target(request.target), said)
        if isinstance(call, Answer):
            return reply_of(call)
        refusal = None if self._lasting is None else self._lasting.refusal(call.method, call.handler)
        if refusal is not None:
            return reply_of(call.written(refusal))
        try:
            result = call.made(self._state, request.body)
        except Refused as refused:
            return reply_of(call.written(refused.answer))
        if isinstance(result, Answer):
            return reply_of(call.written(result))
        if isinstance(result, Stream):
            return None
        found = result.ask()
        if must_wait(result.patience.index, found.index):
            return self._later(call, result, found, key)
        return self._reply(call, result, found, key)

    def _later(self, call: _Call, query: Query, found: Found[Answer], key: Hashable | None) -> Reply | Later:
        waiters = self._state.waiters
        if waiters.closed:
            return self._reply(call, query, found, key)
        if waiters.are_full:
            return reply_of(call.written(_FULL))
        seconds = wait_seconds(query.patience.seconds, self._rng)
        return Promise(query, found, waiters, seconds, partial(self._reply, call, query, key=key))

    def _reply(self, call: _Call, query: Query, found: Found[Answer], key: Hashable | None) -> Reply:
        """The reply to a query. Where it holds it is kept, and who had to wait for the same gets it as it is."""
        kept = None if key is None else self._kept.reply(key)
        if kept is not None:
            return kept
        reply = reply_of(call.written(found.answer()))
        if query.steady is not None and key is not None:
            self._kept.keep(key, reply, query.steady)
        return reply

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            answer = await self._answer(scope, receive)
        except _ClientGone:
            return
        if isinstance(answer, Stream):
            await stream(answer, receive, send)
            return
        await send({"type": "http.response.start", "status": answer.status, "headers": headers_of(answer)})
        await send({"type": "http.response.body", "body": answer.body})

    async def _answer(self, scope: Scope, receive: Receive) -> Answer | Stream:
        address = Address(scope["path"], scope["raw_path"], scope["query_string"])
        call = _call(scope["method"], address, told(scope["headers"]))
        if isinstance(call, Answer):
            return call
        try:
            body = await self._body(call, receive)
        except Refused as refused:
            return call.written(refused.answer)
        if self._lasting is None:
            made = await self._made(call, body, receive)
            return made if isinstance(made, Stream) else call.written(made)
        refusal = self._lasting.refusal(call.method, call.handler)
        if refusal is not None:
            return call.written(refusal)
        position = self._lasting.position
        made = await self._made(call, body, receive)
        if isinstance(made, Stream):
            return made
        return call.written(await self._lasting.held(made, call.method, position))

    async def _made(self, call: _Call, body: bytes, receive: Receive) -> Answer | Stream:
        try:
            result = call.made(self._state, body)
            return await self._resolved(result, receive) if isinstance(result, Query) else result
        except Refused as refused:
            return refused.answer
        except TooManyWaiting:
            return _FULL

    async def _body(self, call: _Call, receive: Receive) -> bytes:
        limits = self._state.in_force.limits
        largest = snapshot.LARGEST if call.handler is snapshot.restore else limits.http_max_body_bytes
        try:
            async with asyncio.timeout(limits.http_body_timeout):
                return await _whole_body(receive, largest)
        except TimeoutError:
            late = f"Request body too slow: {limits.http_body_timeout:g} s are allowed"
            raise Refused(408, late, (b"Connection", b"close")) from None

    async def _resolved(self, query: Query, receive: Receive) -> Answer:
        async def gone() -> None:
            while (await receive())["type"] != "http.disconnect":
                pass

        found = await resolve(query.ask, query.patience, self._state.waiters, self._rng, gone)
        if found is None:
            raise _ClientGone
        return found.answer()


async def _whole_body(receive: Receive, largest: int) -> bytes:
    parts, size = [], 0
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise _ClientGone
        part = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > largest:
            raise Refused(413, f"Request body too large: {largest} bytes are allowed")
        if not message.get("more_body", False):
            return b"".join(parts)


def _call(method: str, address: Address | None, said: Told) -> _Call | Answer:
    """Who handles a request; or the answer, where that takes nobody."""
    if address is None or _CONTROL.search(address.path):
        return Answer(400)
    if b"%" in address.raw_path and _MALFORMED.search(address.raw_path):
        return _MALFORMED_PATH
    found = ROUTES.find(address.path)
    if found is None or "//" in address.path or "/." in address.path:
        elsewhere = _elsewhere(method, address)
        if elsewhere is not None or found is None:
            return elsewhere or Answer(404)
    endpoint, rest = found
    try:
        params = parse_query(address.query)
    except MalformedQuery:
        return Answer(400 if method == "HEAD" else 500, headers=(VARY,))
    if method == "OPTIONS":
        return Answer(headers=((b"Allow", endpoint.allow), VARY))
    handler = endpoint.handlers.get(method)
    if handler is None:
        return written(wrong_method(method, endpoint), gzip=said.gzip, pretty=False)
    if endpoint.path in _WITH_NAMESPACES:
        refused = namespaces.refusal(params, in_header=said.namespace)
        if refused is not None:
            return written(refused, gzip=said.gzip, pretty=False)
    return _Call(handler, method, rest, params, address.query, said.gzip)


def _elsewhere(method: str, address: Address) -> Answer | None:
    """Where a path leads that is no endpoint's, or is written otherwise; None for nowhere."""
    if address.path == "/":
        return redirect(method, "/ui/", b"")
    location = ROUTES.redirection(address.path)
    return None if location is None else redirect(method, location, address.query)
