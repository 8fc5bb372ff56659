"""The table of prepared queries, its rules, and which query a name means.

The rules and texts are Consul's (https://developer.hashicorp.com/consul/api-docs/query): names are unique without
regard to case, an exact name goes before a template, and of templates the longest counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import Final

from muster.agent.catalog.rows import Stamp
from muster.agent.catalog.topics import Topic
from muster.agent.queries.rows import PreparedQuery
from muster.agent.queries.templates import BadTemplate, check_template, rendered
from muster.agent.store.tables import Tables
from muster.agent.store.write import Write
from muster.registry.consul.duration import parse_duration

QUERIES: Topic = ("queries", "")

_UUID_LENGTH = 36
_META_KEY = re.compile(r"[a-zA-Z0-9_-]+")
_META_KEY_LENGTH, _META_VALUE_LENGTH, _META_PAIRS = 128, 512, 64


def query_at(query_id: str) -> Topic:
    return ("query", query_id)


class BadQuery(Exception):
    """It cannot be kept, or not be asked in this way; the text is Consul's."""


class Queries:
    """Prepared queries by id, and by name: one of the tables that are written together. Synchronous.

    `has_session` tells whether a session is there. Whoever ends sessions calls `drop_of`.
    """

    def __init__(self, tables: Tables, has_session: Callable[[str], bool]) -> None:
        self.name: Final = "queries"
        self.row: Final = PreparedQuery
        self._has_session = has_session
        self._queries: dict[str, PreparedQuery] = {}
        self._names: dict[str, str] = {}
        self._templates: dict[str, str] = {}
        self._last = 1
        tables.join(self._conclude, self)

    @property
    def index(self) -> int:
        """The index of the table."""
        return self._last

    def get(self, query_id: str) -> PreparedQuery | None:
        return self._queries.get(query_id)

    def all(self) -> list[PreparedQuery]:
        """Every query, by id."""
        return [self._queries[key] for key in sorted(self._queries)]

    def meant_by(self, name: str) -> PreparedQuery | None:
        """The query with that id, or else that name, or else the template for it, rendered; None for none.

        Raises BadQuery for the id of a template.
        """
        lower = name.lower()
        if lower in self._queries:
            if self._queries[lower].template.type:
                raise BadQuery("prepared query templates can only be resolved up by name, not by ID")
            return self._queries[lower]
        if lower in self._names:
            return self._queries[self._names[lower]]
        lengths = range(len(lower), -1, -1)
        found = next((lower[:length] for length in lengths if lower[:length] in self._templates), None)
        return None if found is None else rendered(self._queries[self._templates[found]], name)

    def put(self, write: Write, query: PreparedQuery) -> None:
        """Write a query, new or in the place of that of its id. Raises BadQuery; nothing is written then."""
        check_query(query)
        self._refuse_alias(query)
        self._require_session(query.session)
        _check_template(query)
        old = self._queries.get(query.id)
        stamp = Stamp(old.stamp.created if old else write.index, write.index)
        write.put(self, query.id, replace(query, stamp=stamp))
        write.topics.update((QUERIES, query_at(query.id)))

    def drop(self, write: Write, query_id: str) -> None:
        """Remove a query. An unknown one is no change."""
        if query_id in self._queries:
            write.put(self, query_id, None)
            write.topics.update((QUERIES, query_at(query_id)))

    def drop_of(self, write: Write, session_id: str) -> None:
        """Remove the queries that end with a session."""
        for query in [query for query in self._queries.values() if query.session == session_id]:
            self.drop(write, query.id)

    # As a table

    def rows(self) -> Iterable[tuple[str, PreparedQuery]]:
        return self._queries.items()

    def place(self, key: str, row: PreparedQuery | None) -> PreparedQuery | None:
        before = self._queries.pop(key, None)
        if before is not None:
            self._named(before).pop(before.name.lower(), None)
        if row is not None:
            self._queries[key] = row
            if row.name or row.template.type:
                self._named(row)[row.name.lower()] = key
        return before

    def _named(self, query: PreparedQuery) -> dict[str, str]:
        return self._templates if query.template.type else self._names

    def _conclude(self, write: Write) -> None:
        self._last = write.index

    def _require_session(self, session_id: str) -> None:
        if session_id and len(session_id) != _UUID_LENGTH:
            raise BadQuery(f"invalid session: index error: UUID must be {_UUID_LENGTH} characters")
        if session_id and not self._has_session(session_id):
            raise BadQuery(f'invalid session "{session_id}"')

    def _refuse_alias(self, query: PreparedQuery) -> None:
        lower = query.name.lower()
        if any(named.get(lower, query.id) != query.id for named in (self._names, self._templates)):
            if not query.name:
                raise BadQuery("a query template with an empty name already exists")
            raise BadQuery(f"name '{query.name}' aliases an existing query name")
        if lower in self._queries:
            raise BadQuery(f"name '{query.name}' aliases an existing query ID")


def check_query(query: PreparedQuery) -> None:
    """Raises BadQuery for one that says too little, or what cannot be."""
    try:
        _check_query(query)
    except BadQuery as error:
        raise BadQuery(f"Invalid prepared query: {error}") from None


def _check_query(query: PreparedQuery) -> None:
    wanted = query.wanted
    if not (query.name or query.session or query.template.type):
        raise BadQuery("Must be bound to a session")
    if not wanted.service:
        raise BadQuery("Must provide a Service name to query")
    if wanted.failover.nearest < 0:
        raise BadQuery(f"Bad NearestN '{wanted.failover.nearest}', must be >= 0")
    if len(wanted.node_meta or ()) > _META_PAIRS:
        raise BadQuery(f"Node metadata cannot contain more than {_META_PAIRS} key/value pairs")
    for key, value in (wanted.node_meta or {}).items():
        _check_meta(key, value)
    if query.ttl:
        _check_ttl(query.ttl)


def _check_meta(key: str, value: str) -> None:
    problem = (
        "Key cannot be blank"
        if not key
        else "Key contains invalid characters"
        if not _META_KEY.fullmatch(key)
        else f"Key is too long (limit: {_META_KEY_LENGTH} characters)"
        if len(key) > _META_KEY_LENGTH
        else f"Value is too long (limit: {_META_VALUE_LENGTH} characters)"
        if len(value) > _META_VALUE_LENGTH
        else ""
    )
    if problem:
        raise BadQuery(f"Couldn't load metadata pair ('{key}', '{value}'): {problem}")


def _check_ttl(ttl: str) -> None:
    try:
        seconds = parse_duration(ttl)
    except ValueError as error:
        raise BadQuery(f"Bad DNS TTL '{ttl}': {error}") from None
    if seconds < 0:
        raise BadQuery(f"DNS TTL '{round(seconds * 1e9)}', must be >=0")


def _check_template(query: PreparedQuery) -> None:
    if not query.template.type:
        return
    try:
        check_template(query.template, query.wanted)
    except BadTemplate as error:
        raise BadQuery(f"failed compiling template: {error}") from None
