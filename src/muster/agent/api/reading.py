"""What the reading endpoints share: consistency, waiting, the headers of an answer."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import msgspec

from muster.agent.api.answer import JSON, Answer, Headers, Query, Refused
from muster.agent.api.request import KEPT_QUERY, Params, Request, parse_query
from muster.agent.blocking import Found, Patience
from muster.agent.catalog.topics import CHECKS, EXTINCTION, Topic, connected_to, node_of
from muster.agent.filter import BadFilter, Matches, compile_filter
from muster.agent.filter.schema import Schema
from muster.agent.state import State
from muster.registry.consul.duration import parse_duration

_View = TypeVar("_View")

_INDEX = re.compile(r"\+?[0-9]{1,20}")
TRUE = ("", "1", "t", "T", "true", "TRUE", "True")
FALSE = ("0", "f", "F", "false", "FALSE", "False")


@dataclass(frozen=True, slots=True)
class Reading:
    """How a request wants to read. `cached` only changes headers: the agent answers from memory anyway."""

    consistency: str
    patience: Patience
    cached: bool


def reading(state: State, request: Request) -> Reading:
    """What the request says of consistency and waiting. Raises Refused for what contradicts itself, cannot be parsed,
    or this agent does not do."""
    how = _reading_once(request.query) if len(request.query) <= KEPT_QUERY else _reading(request.params)
    require_datacenter(state, request.params, *NOT_ASKED)
    return how


def require_datacenter(state: State, params: Params, *headers: tuple[bytes, bytes]) -> None:
    """Raises Refused, with `headers`, for another datacenter than the agent's."""
    if params.first("dc") not in ("", state.identity.datacenter):
        raise Refused(500, "No path to datacenter", *headers)


def wanted_by_filter(params: Params, schema: Schema, *headers: tuple[bytes, bytes]) -> Matches | None:
    """The filter that a request brings, if any, for elements of `schema`. Raises Refused, with `headers`."""
    text = params.first("filter")
    if not text:
        return None
    try:
        return compile_filter(text, schema)
    except BadFilter as error:
        raise Refused(500, f"Failed to create boolean expression evaluator: {error}", *headers) from None


def catalog_filter(params: Params, schema: Schema) -> Matches | None:
    """The same, with the headers of the endpoints that have an index."""
    return wanted_by_filter(params, schema, *NOT_ASKED) if "filter" in params else None


def is_wanted(matches: Matches | None, view: Any) -> bool:
    """Whether a filter, or the lack of one, leaves an element of an answer."""
    return matches is None or matches(msgspec.to_builtins(view))


def only_wanted(matches: Matches | None, views: Iterable[_View]) -> list[_View]:
    """The elements that a filter leaves."""
    return list(views) if matches is None else [view for view in views if is_wanted(matches, view)]


def require_datacenter_named(state: State, name: str) -> None:
    """The same for a datacenter that is named in a body."""
    if name not in ("", state.identity.datacenter):
        raise Refused(500, "No path to datacenter")


@dataclass(frozen=True, slots=True)
class Watched:
    """What a query watches: its index and its topics, read anew at each look."""

    index: Callable[[], int]
    topics: Callable[[], tuple[Topic, ...]]


def watched_table(state: State, table: Topic) -> Watched:
    """A whole table: NODES, SERVICES or CHECKS."""
    return Watched(lambda: state.catalog.table_index(table), lambda: (table,))


def watched_node(state: State, name: str) -> Watched:
    """A node and the instances on it."""
    topics = (node_of(name),)
    return Watched(lambda: state.catalog.node_index(name), lambda: topics)


def watched_connect(state: State, name: str, topic: Callable[[str], Topic]) -> Watched:
    """What takes calls for a service over Connect: which instances, and `topic` of their services."""
    return Watched(
        lambda: state.catalog.connected_index(name),
        lambda: (connected_to(name), *{topic(entry.service.name) for entry in state.catalog.connected(name)}),
    )


def watched_checks(state: State, topic: Topic) -> Watched:
    """Some of the checks: they have the index of their table, and changes of others do not end the wait."""
    return Watched(lambda: state.catalog.table_index(CHECKS), lambda: (topic,))


def watched_service(state: State, name: str, topic: Callable[[str], Topic]) -> Watched:
    """One service by name; while it has no instances, also the end of any other service, which moves its index."""
    own = (topic(name),)
    absent = (topic(name), EXTINCTION)
    return Watched(
        lambda: state.catalog.index_of(name),
        lambda: own if state.catalog.exists(name) else absent,
    )


def query(how: Reading, watched: Watched, body: Callable[[], bytes], *, steady: bool = False) -> Query:
    """A blocking query; `body` is called when it is answered. `steady`: it is the same while the index is."""

    def ask() -> Found[Answer]:
        index = watched.index()
        return Found(index, watched.topics(), lambda: Answer(200, body(), JSON, _headers(index, how)))

    return Query(ask, how.patience, watched.index if steady else None)


def plain_reading(state: State, request: Request, *headers: tuple[bytes, bytes]) -> Patience:
    """What a request says of waiting to the endpoints that do not tell their consistency, some of which do not let wait
    either. Raises Refused for what `reading` refuses, with `headers` for another datacenter."""
    how = _reading(request.params)
    require_datacenter(state, request.params, *headers)
    return how.patience


def plain_query(patience: Patience, ask: Callable[[], Found[Answer]]) -> Query:
    """A blocking query of such an endpoint."""

    def with_headers() -> Found[Answer]:
        found = ask()
        index = (b"X-Consul-Index", b"%d" % found.index)
        return Found(found.index, found.topics, lambda: found.answer().adding(index, *KNOWN_LEADER))

    return Query(with_headers, patience)


def flag(params: Params, name: str) -> bool:
    """A parameter that is parsed rather than counted by presence. Raises Refused."""
    if name not in params:
        return False
    value = params.first(name)
    if value in TRUE:
        return True
    if value in FALSE:
        return False
    raise Refused(400, f"Invalid value for ?{name}")


@lru_cache(maxsize=2048)
def _reading_once(query_string: bytes) -> Reading:
    return _reading(parse_query(query_string))


def _reading(params: Params) -> Reading:
    return Reading(_consistency(params), patience(params), "cached" in params)


def _consistency(params: Params) -> str:
    max_stale = params.first("max_stale")
    if max_stale and not _is_duration(max_stale):
        raise Refused(400, f'Invalid max_stale value "{max_stale}"')
    stale, consistent = "stale" in params or bool(max_stale), "consistent" in params
    if stale and consistent:
        raise Refused(400, "Cannot specify ?stale with ?consistent, conflicting semantics.")
    if "cached" in params and consistent:
        raise Refused(400, "Cannot specify ?cached with ?consistent, conflicting semantics.")
    return "stale" if stale else "consistent" if consistent else "leader"


def patience(params: Params) -> Patience:
    """What the request says of waiting: `index` and `wait`. Raises Refused."""
    wait, index = params.first("wait"), params.first("index")
    if wait and not _is_duration(wait):
        raise Refused(400, "Invalid wait time")
    if index and not (_INDEX.fullmatch(index) and int(index) < 2**64):
        raise Refused(400, "Invalid index")
    return Patience(int(index or 0), parse_duration(wait) if wait else 0.0)


def _is_duration(text: str) -> bool:
    try:
        parse_duration(text)
    except ValueError:
        return False
    return True


def _meta_headers(*, known_leader: bool) -> Headers:
    return (
        (b"X-Consul-Knownleader", b"true" if known_leader else b"false"),
        (b"X-Consul-Lastcontact", b"0"),
    )


KNOWN_LEADER = _meta_headers(known_leader=True)
NOT_ASKED = ((b"X-Consul-Index", b"1"), *_meta_headers(known_leader=False))
"""What Consul sends where it fails before it has asked its leader."""
_HIT = ((b"X-Cache", b"HIT"), (b"Age", b"0"))


def _headers(index: int, how: Reading) -> tuple[tuple[bytes, bytes], ...]:
    headers = (
        (b"X-Consul-Index", b"%d" % index),
        (b"X-Consul-Effective-Consistency", how.consistency.encode()),
        *KNOWN_LEADER,
    )
    return (*headers, *_HIT) if how.cached else headers
