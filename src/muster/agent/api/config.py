"""/v1/config: config entries, which are kept and given back."""

from __future__ import annotations

from typing import Any

from muster.agent.api.answer import Answer, Query, Refused, json_answer, text_answer
from muster.agent.api.body import Dialect, decode_json
from muster.agent.api.numbers import parse_uint
from muster.agent.api.reading import plain_query, plain_reading
from muster.agent.api.request import Params, Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found, Patience
from muster.agent.entries.entries import ConfigEntry, entries_of, entry_of
from muster.agent.entries.kinds import BadEntry, UnknownKind, read_entry, require_kind
from muster.agent.entries.shape import BadShape
from muster.agent.state import State

_BODY = Dialect(complaint="Bad request: Request decoding failed: ")


def apply(state: State, request: Request) -> Answer:
    """Write an entry; with `cas` only if it was last changed at that index."""
    asked = _asked(decode_json(request.body, _BODY))
    try:
        fields = read_entry(_kind(asked), asked)
    except (UnknownKind, BadShape) as error:
        raise _BODY.failed(str(error)) from None
    except BadEntry as error:
        raise Refused(500, str(error)) from None
    return json_answer(state.entries.put(fields["Kind"], fields["Name"], fields, _cas(request.params)))


def read(state: State, request: Request) -> Query:
    """One entry, or all of a kind."""
    patience = plain_reading(state, request)
    kind, slash, name = request.rest.partition("/")
    if kind or slash:
        _require_kind(500, kind)
    return _one(state, patience, kind, name) if slash else _all(state, patience, kind)


def delete(state: State, request: Request) -> Answer:
    """Remove an entry; an unknown one is fine. With `cas`, which Consul has since 1.11, only if it was last changed at
    that index, and the answer then says whether it was."""
    kind, slash, name = request.rest.partition("/")
    if not slash:
        return text_answer(404, "Must provide both a kind and name to delete")
    _require_kind(400, kind)
    index = _cas(request.params)
    deleted = state.entries.delete(kind, name, index)
    return json_answer({} if index is None else deleted)


def _one(state: State, patience: Patience, kind: str, name: str) -> Query:
    def ask() -> Found[Answer]:
        entry = state.entries.get(kind, name)
        missing = text_answer(404, f'Config entry not found for "{kind}" / "{name}"')
        answer = missing if entry is None else json_answer(_view(entry))
        return Found(state.entries.index, (entry_of(kind, name),), lambda: answer)

    return plain_query(patience, ask)


def _all(state: State, patience: Patience, kind: str) -> Query:
    def ask() -> Found[Answer]:
        return Found(
            state.entries.index,
            (entries_of(kind),),
            lambda: json_answer([_view(entry) for entry in state.entries.of(kind)]),
        )

    return plain_query(patience, ask)


def _view(entry: ConfigEntry) -> dict[str, Any]:
    return {**entry.fields, "CreateIndex": entry.stamp.created, "ModifyIndex": entry.stamp.modified}


def _asked(value: Any) -> dict[str, Any]:
    if not isinstance(value, dict | None):
        kind = "slice" if isinstance(value, list) else "string" if isinstance(value, str) else "float64"
        raise _BODY.failed(f"'' expected a map, got '{kind}'")
    return value or {}


def _kind(asked: dict[str, Any]) -> str:
    """Here, unlike everywhere else in a body, the case of the key matters."""
    kind = asked.get("Kind", asked.get("kind", _MISSING))
    if kind is _MISSING:
        raise _BODY.failed("Payload does not contain a kind/Kind key at the top level")
    if not isinstance(kind, str):
        raise _BODY.failed("Kind value in payload is not a string")
    return kind


_MISSING = object()


def _require_kind(status: int, kind: str) -> None:
    try:
        require_kind(kind)
    except UnknownKind as error:
        raise Refused(status, str(error)) from None


def _cas(params: Params) -> int | None:
    return parse_uint(params.first("cas")) if params.first("cas") else None


ROUTES = (
    Route("PUT", "/v1/config", apply),
    Route("GET", "/v1/config/", read),
    Route("DELETE", "/v1/config/", delete),
)
"""The order is that of Consul's `Allow`."""
