"""/v1/query: prepared queries."""

from __future__ import annotations

import logging
import re
import uuid
from dataclasses import replace
from random import Random

from muster.agent.api.answer import DONE, Answer, Query, Refused, encode, json_answer, text_answer
from muster.agent.api.body import CATALOG, decode_body
from muster.agent.api.kv import require_uuid
from muster.agent.api.prepared import as_row, as_wire
from muster.agent.api.reading import (
    FALSE,
    NOT_ASKED,
    TRUE,
    Reading,
    Watched,
    query,
    reading,
    require_datacenter,
)
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found, Patience
from muster.agent.catalog import views
from muster.agent.queries.executing import execute
from muster.agent.queries.queries import QUERIES, BadQuery, query_at
from muster.agent.queries.rows import PreparedQuery
from muster.agent.state import State
from muster.registry.consul.wire import queries as wire

_NOT_FOUND = "Query not found"
_UNASKABLE = "failed prepared query lookup: "
_INTEGER = re.compile(r"[+-]?[0-9]{1,18}")

_rng = Random()
_log = logging.getLogger("muster.agent.queries")


def create(state: State, request: Request) -> Answer:
    """A new query."""
    asked = decode_body(request.body, wire.PreparedQuery, CATALOG)
    require_datacenter(state, request.params)
    if asked.id:
        raise Refused(500, "ID must be empty when creating a new prepared query")
    row = as_row(asked, str(uuid.uuid4()))
    _put(state, row)
    return json_answer({"ID": row.id})


def update(state: State, request: Request) -> Answer:
    """Another query in the place of one."""
    asked = decode_body(request.body, wire.PreparedQuery, CATALOG)
    require_datacenter(state, request.params)
    _put(state, as_row(asked, _known_id(state, request)))
    return DONE


def delete(state: State, request: Request) -> Answer:
    """Remove a query."""
    require_datacenter(state, request.params)
    query_id = _known_id(state, request)
    with state.tables.write() as write:
        state.queries.drop(write, query_id)
    return DONE


def every(state: State, request: Request) -> Query:
    """Every query."""
    watched = Watched(lambda: state.queries.index, lambda: (QUERIES,))
    return query(_uncached(state, request), watched, lambda: encode([as_wire(row) for row in state.queries.all()]))


def below(state: State, request: Request) -> Query:
    """What is asked of one query: itself, what it finds, or what it stands for."""
    name, _, what = request.rest.rpartition("/")
    if request.rest in ("execute", "explain"):
        name, what = "", request.rest
    if what == "execute":
        return _execute(state, request, name)
    return _explain(state, request, name) if what == "explain" else _one(state, request)


def _one(state: State, request: Request) -> Query:
    """One query in a list. If it is removed while somebody waits, he is told that."""
    how, query_id = _uncached(state, request), request.rest.lower()
    require_uuid(query_id, _UNASKABLE, *NOT_ASKED)
    if state.queries.get(query_id) is None:
        raise Refused(404, _NOT_FOUND)

    def index() -> int:
        row = state.queries.get(query_id)
        return state.queries.index if row is None else row.stamp.modified

    def body() -> bytes:
        row = state.queries.get(query_id)
        return encode([] if row is None else [as_wire(row)])

    whole = query(how, Watched(index, lambda: (query_at(query_id),)), body)

    def ask() -> Found[Answer]:
        found = whole.ask()
        gone = state.queries.get(query_id) is None
        return Found(found.index, found.topics, lambda: text_answer(404, _NOT_FOUND)) if gone else found

    return Query(ask, whole.patience)


def _uncached(state: State, request: Request) -> Reading:
    """How a request reads what Consul keeps in no cache."""
    return replace(reading(state, request), cached=False)


def _execute(state: State, request: Request, name: str) -> Query:
    how, limit, connect = reading(state, request), _limit(request), _connect(request)
    row = _meant(state, name)
    near = request.params.first("near")
    found = execute(state.catalog, row, _rng, state.identity.node, near=near, connect=connect)
    entries = found.entries[:limit] if limit > 0 else found.entries
    told = wire.QueryExecuted(
        service=found.service,
        nodes=[views.null_tags(views.service_entry(entry)) for entry in entries],
        dns=wire.QueryDNS(ttl=row.ttl),
        datacenter=state.identity.datacenter,
        consistency_level=how.consistency,
    )
    return _at_once(how, encode(told))


def _explain(state: State, request: Request, name: str) -> Query:
    how = _uncached(state, request)
    told = wire.QueryExplained(query=as_wire(_meant(state, name)), consistency_level=how.consistency)
    return _at_once(how, encode(told))


def _at_once(how: Reading, body: bytes) -> Query:
    """An answer that nobody can wait for: its index tells nothing."""
    return query(replace(how, patience=Patience()), Watched(lambda: 1, lambda: ()), lambda: body)


def _put(state: State, row: PreparedQuery) -> None:
    try:
        with state.tables.write() as write:
            state.queries.put(write, row)
    except BadQuery as error:
        raise Refused(500, str(error)) from None
    if row.wanted.failover.nearest or row.wanted.failover.datacenters:
        _log.info("query %s names other datacenters to fail over to: there are none here", row.name or row.id)


def _meant(state: State, name: str) -> PreparedQuery:
    try:
        row = state.queries.meant_by(name)
    except BadQuery as error:
        raise Refused(500, str(error), *NOT_ASKED) from None
    if row is None:
        raise Refused(404, _NOT_FOUND)
    return row


def _known_id(state: State, request: Request) -> str:
    if request.rest.rpartition("/")[2] in ("execute", "explain"):
        raise Refused(405, f"method {request.method} not allowed", (b"Allow", b"GET"))
    query_id = request.rest.lower()
    require_uuid(query_id, f"Prepared Query lookup failed: {_UNASKABLE}")
    if state.queries.get(query_id) is None:
        raise Refused(500, f"Cannot modify non-existent prepared query: '{request.rest}'")
    return query_id


def _limit(request: Request) -> int:
    text = request.params.first("limit")
    if text and not _INTEGER.fullmatch(text):
        raise Refused(500, f'Bad limit: strconv.Atoi: parsing "{text}": invalid syntax')
    return int(text or 0)


def _connect(request: Request) -> bool:
    text = request.params.first("connect")
    if text and text not in (*TRUE, *FALSE):
        raise Refused(500, f"Error parsing 'connect' value: strconv.ParseBool: parsing \"{text}\": invalid syntax")
    return bool(text) and text in TRUE


ROUTES = (
    Route("GET", "/v1/query", every),
    Route("POST", "/v1/query", create),
    Route("GET", "/v1/query/", below),
    Route("PUT", "/v1/query/", update),
    Route("DELETE", "/v1/query/", delete),
)
