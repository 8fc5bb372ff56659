"""/v1/kv: keys with values."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from urllib.parse import urlencode

import msgspec

from muster.agent.api.answer import JSON, Answer, Query, Refused, encode, json_answer
from muster.agent.api.numbers import parse_uint
from muster.agent.api.reading import plain_query, plain_reading
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found
from muster.agent.catalog.topics import Topic
from muster.agent.kv.pairs import Pair, grouped, pair_at, pairs_below
from muster.agent.state import State
from muster.agent.store.write import Write
from muster.registry.consul import wire

_RAW = b"text/plain"
_HARMLESS = ((b"X-Content-Type-Options", b"nosniff"), (b"Content-Security-Policy", b"sandbox"))
"""A value is whatever somebody wrote: no browser is to run it."""


def get(state: State, request: Request) -> Query:
    """One key, or with `recurse` or `keys` all below a prefix. 404 without a body where there is none."""
    plain_reading(state, request)
    if "keys" in request.params:
        return _keys(state, request)
    if "recurse" in request.params:
        return _tree(state, request)
    return _one(state, request)


def put(state: State, request: Request) -> Answer:
    """Write a value: always, with `cas` if nobody wrote in between, or taking or giving back a lock."""
    plain_reading(state, request)
    key = _key(request)
    _refuse_conflict(request, "cas", "acquire", "release")
    flags = _number(request, "flags")
    largest = state.in_force.limits.kv_max_value_size
    if len(request.body) > largest:
        raise Refused(413, _TOO_LARGE.format(len(request.body), largest))
    with state.tables.write() as write:
        done = _put(state, request, write, Pair(key, request.body, flags))
    return json_answer(done)


_TOO_LARGE = (
    "Request body({} bytes) too large, max size: {} bytes. "
    "See https://www.consul.io/docs/agent/options.html#kv_max_value_size."
)


def delete(state: State, request: Request) -> Answer:
    """Remove a key, with `recurse` all below a prefix, or with `cas` if nobody wrote in between."""
    plain_reading(state, request)
    _refuse_conflict(request, "recurse", "cas")
    with state.tables.write() as write:
        return json_answer(_delete(state, request, write))


def view(pair: Pair) -> wire.KVPair:
    """A pair as JSON: an empty value is null, and only a locked key has a session."""
    return wire.KVPair(
        lock_index=pair.lock_index,
        key=pair.key,
        flags=pair.flags,
        value=pair.value or None,
        session=pair.session or msgspec.UNSET,
        create_index=pair.stamp.created,
        modify_index=pair.stamp.modified,
    )


def require_session(state: State, session_id: str) -> None:
    """Raises Refused for a session that cannot hold a lock: none, or one that does not exist."""
    if not session_id:
        raise Refused(500, "missing session")
    require_uuid(session_id, "failed session lookup: ")
    if state.sessions.table.get(session_id) is None:
        raise Refused(500, f'invalid session "{session_id}"')


def require_uuid(session_id: str, before: str, *headers: tuple[bytes, bytes]) -> None:
    """Raises Refused for what cannot be looked up as an id."""
    if len(session_id) != 36:
        raise Refused(500, f"{before}index error: UUID must be 36 characters", *headers)


def _put(state: State, request: Request, write: Write, pair: Pair) -> bool:
    params = request.params
    if "cas" in params:
        return state.pairs.set_if(write, pair.key, pair.value, pair.flags, _number(request, "cas"))
    if "acquire" in params:
        require_session(state, params.first("acquire"))
        wanted = replace(pair, session=params.first("acquire"))
        return state.pairs.lock(write, wanted, asyncio.get_running_loop().time())
    if "release" in params:
        if not params.first("release"):
            raise Refused(500, "missing session")
        return state.pairs.unlock(write, replace(pair, session=params.first("release")))
    state.pairs.set(write, pair.key, pair.value, pair.flags)
    return True


def _delete(state: State, request: Request, write: Write) -> bool:
    if "recurse" in request.params:
        state.pairs.delete_below(write, request.rest)
        return True
    if "cas" in request.params:
        return state.pairs.delete_if(write, _key(request), _number(request, "cas"))
    state.pairs.delete(write, _key(request))
    return True


def _one(state: State, request: Request) -> Query:
    key, raw = _key(request), "raw" in request.params

    def answer() -> Answer:
        pair = state.pairs.get(key)
        if pair is None:
            return Answer(404)
        return Answer(200, pair.value, _RAW, _HARMLESS) if raw else json_answer([view(pair)])

    return _query(state, request, pair_at(key), lambda: state.pairs.index_of(key), answer)


def _tree(state: State, request: Request) -> Query:
    prefix = request.rest

    def answer() -> Answer:
        pairs = state.pairs.below(prefix)
        return json_answer([view(pair) for pair in pairs]) if pairs else Answer(404)

    return _query(state, request, pairs_below(prefix), lambda: state.pairs.index_below(prefix), answer)


def _keys(state: State, request: Request) -> Query:
    prefix, separator = request.rest, request.params.first("separator")

    def answer() -> Answer:
        keys = grouped(state.pairs.keys(prefix), prefix, separator)
        return Answer(200, encode(keys), JSON) if keys or not prefix else Answer(404)

    return _query(state, request, pairs_below(prefix), lambda: state.pairs.index_below(prefix), answer)


def _query(
    state: State, request: Request, topic: Topic, index: Callable[[], int], answer: Callable[[], Answer]
) -> Query:
    patience = plain_reading(state, request)
    return plain_query(patience, lambda: Found(index(), (topic,), answer))


def _key(request: Request) -> str:
    if not request.rest:
        raise Refused(400, "Missing key name")
    return request.rest


def _number(request: Request, name: str) -> int:
    return parse_uint(request.params.first(name)) if name in request.params else 0


def _refuse_conflict(request: Request, *names: str) -> None:
    given = [name for name in names if name in request.params]
    if len(given) > 1:
        raise Refused(400, f"Conflicting flags: {urlencode(request.params.sorted())}")


ROUTES = (
    Route("GET", "/v1/kv/", get),
    Route("PUT", "/v1/kv/", put),
    Route("DELETE", "/v1/kv/", delete),
)
