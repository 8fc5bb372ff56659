"""/v1/session: what holds locks."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable

from muster.agent.api.answer import Answer, Query, Refused, json_answer
from muster.agent.api.body import SESSION, decode_body
from muster.agent.api.kv import require_uuid
from muster.agent.api.reading import NOT_ASKED, plain_query, plain_reading, require_datacenter
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found, Patience
from muster.agent.catalog.rows import NODE_HEALTH_CHECK
from muster.agent.catalog.topics import Topic
from muster.agent.kv.sessions import SESSIONS, BadSession, Behavior, Session, session_at
from muster.agent.state import State
from muster.registry.consul import wire
from muster.registry.consul.duration import parse_duration

_SHORTEST_TTL, _LONGEST_TTL = 10.0, 86400.0
_DEFAULT_LOCK_DELAY = 15_000_000_000


def create(state: State, request: Request) -> Answer:
    """A new session, on the agent's node and with its node's own check unless told otherwise."""
    require_datacenter(state, request.params)
    asked = decode_body(request.body, wire.SessionRequest, SESSION) if request.body else wire.SessionRequest()
    session = _session(state, asked)
    try:
        state.sessions.create(session)
    except BadSession as error:
        raise Refused(500, str(error)) from None
    return json_answer({"ID": session.id})


def destroy(state: State, request: Request) -> Answer:
    """End a session; an unknown one is fine."""
    require_datacenter(state, request.params)
    state.sessions.destroy(_session_id(request))
    return json_answer(True)


def renew(state: State, request: Request) -> Answer:
    """Start a session's time anew."""
    plain_reading(state, request)
    session = state.sessions.table.get(_session_id(request))
    if session is None:
        raise Refused(404, f"Session id '{request.rest}' not found")
    state.sessions.renew(session)
    return json_answer([_view(session)])


def info(state: State, request: Request) -> Query:
    """One session in a list, or an empty list."""
    patience = plain_reading(state, request, *NOT_ASKED)
    session_id = _session_id(request, *NOT_ASKED)

    def found() -> list[Session]:
        session = state.sessions.table.get(session_id)
        return [] if session is None else [session]

    return _query(state, patience, session_at(session_id), found)


def every(state: State, request: Request) -> Query:
    """Every session."""
    return _query(state, plain_reading(state, request, *NOT_ASKED), SESSIONS, state.sessions.table.all)


def of_node(state: State, request: Request) -> Query:
    """The sessions of a node."""
    if not request.rest:
        raise Refused(400, "Missing node name")
    return _query(
        state, plain_reading(state, request, *NOT_ASKED), SESSIONS, lambda: state.sessions.table.on(request.rest)
    )


def _query(state: State, patience: Patience, topic: Topic, found: Callable[[], list[Session]]) -> Query:
    def ask() -> Found[Answer]:
        sessions = found()
        index = sessions[0].stamp.modified if topic != SESSIONS and sessions else state.sessions.table.index
        return Found(index, (topic,), lambda: json_answer([_view(session) for session in sessions]))

    return plain_query(patience, ask)


def _session_id(request: Request, *headers: tuple[bytes, bytes]) -> str:
    if not request.rest:
        raise Refused(400, "Missing session")
    require_uuid(request.rest, "failed session lookup: ", *headers)
    return request.rest


def _session(state: State, asked: wire.SessionRequest) -> Session:
    """The session that a request asks for. Raises Refused."""
    lock_delay = _lock_delay(asked.lock_delay)
    if asked.behavior not in ("", *Behavior):
        raise Refused(500, f"Invalid Behavior setting '{asked.behavior}'")
    node_checks = [NODE_HEALTH_CHECK] if asked.node_checks is None else asked.node_checks
    return Session(
        id=str(uuid.uuid4()),
        node=asked.node or state.identity.node,
        name=asked.name,
        lock_delay=lock_delay,
        behavior=Behavior(asked.behavior or Behavior.RELEASE),
        ttl=asked.ttl,
        ttl_seconds=_ttl(asked.ttl),
        node_checks=tuple(dict.fromkeys(node_checks if asked.checks is None else asked.checks)),
        service_checks=None if asked.service_checks is None else _pairs(asked.service_checks),
    )


def _ttl(text: str) -> float:
    if not text:
        return 0.0
    try:
        seconds = parse_duration(text)
    except ValueError as error:
        raise Refused(500, f"Session TTL '{text}' invalid: {error}") from None
    if seconds and not _SHORTEST_TTL <= seconds <= _LONGEST_TTL:
        nanoseconds = round(seconds * 1e9)
        raise Refused(500, f"Invalid Session TTL '{nanoseconds}', must be between [10s=24h0m0s]")
    return seconds


def _lock_delay(given: str | float | None) -> int:
    """Nanoseconds; a number below a thousand counts seconds."""
    if given is None:
        return _DEFAULT_LOCK_DELAY
    if not isinstance(given, str):
        return int(given * 1e9) if given < 1000 else int(given)
    try:
        return round(parse_duration(given) * 1e9)
    except ValueError as error:
        raise Refused(400, f"Request decode failed: {error}") from None


def _pairs(checks: Iterable[wire.SessionCheck]) -> tuple[tuple[str, str], ...]:
    return tuple((check.id, check.namespace) for check in checks)


def _view(session: Session) -> wire.Session:
    given = session.service_checks
    return wire.Session(
        id=session.id,
        name=session.name,
        node=session.node,
        lock_delay=session.lock_delay,
        behavior=session.behavior.value,
        ttl=session.ttl,
        node_checks=list(session.node_checks),
        service_checks=None if given is None else [wire.SessionCheck(id=i, namespace=n) for i, n in given],
        create_index=session.stamp.created,
        modify_index=session.stamp.modified,
    )


ROUTES = (
    Route("PUT", "/v1/session/create", create),
    Route("PUT", "/v1/session/destroy/", destroy),
    Route("PUT", "/v1/session/renew/", renew),
    Route("GET", "/v1/session/info/", info),
    Route("GET", "/v1/session/list", every),
    Route("GET", "/v1/session/node/", of_node),
)
