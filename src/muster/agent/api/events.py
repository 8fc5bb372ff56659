"""/v1/event: user events, fired and listed."""

from __future__ import annotations

import uuid
from dataclasses import replace
from itertools import count

from muster.agent.api.answer import Answer, Query, Refused, json_answer
from muster.agent.api.reading import patience, require_datacenter
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found, Patience
from muster.agent.events import EVENTS, UserEvent
from muster.agent.filter.pattern import Pattern, compile_pattern
from muster.agent.state import State
from muster.registry.consul import wire

_LARGEST = 512
_TOO_LARGE = (
    '1 error occurred:\n\t* error broadcasting event to segment "": user event exceeds configured limit of '
    f"{_LARGEST} bytes before encoding\n\n"
)
_times = count(2)


def fire(state: State, request: Request) -> Answer:
    """Tell of an event; the body is its payload."""
    require_datacenter(state, request.params)
    event = _event(request)
    heard = _concerns(state, event)
    if len(event.name) + len(event.payload) > _LARGEST:
        raise Refused(500, _TOO_LARGE)
    if heard:
        state.events.add(replace(event, time=next(_times)))
        state.wake((EVENTS,))
    return json_answer(_view(event))


def listed(state: State, request: Request) -> Query:
    """The last events, of one name if told. A wait ends with the next event, whatever its index: that is no number that
    grows."""
    waiting = patience(request.params)
    name = request.params.first("name")

    def ask() -> Found[Answer]:
        events = list(state.events.named(name))
        index = events[-1].index if events else 1
        answer = json_answer([_view(event) for event in events]).adding((b"X-Consul-Index", b"%d" % index))
        return Found(_SAME if index == waiting.index else _OTHER, (EVENTS,), lambda: answer)

    return Query(ask, Patience(_SAME if waiting.index else 0, waiting.seconds))


_SAME, _OTHER = 1, 2
"""Stand for an index where equality says whether there is news."""


def _event(request: Request) -> UserEvent:
    if not request.rest:
        raise Refused(400, "Missing name")
    event = UserEvent(
        id=str(uuid.uuid4()),
        name=request.rest,
        payload=request.body,
        node_filter=request.params.first("node"),
        service_filter=request.params.first("service"),
        tag_filter=request.params.first("tag"),
    )
    if event.tag_filter and not event.service_filter:
        raise Refused(500, "Cannot provide tag filter without service filter")
    return event


def _concerns(state: State, event: UserEvent) -> bool:
    """Whether the event is meant for this agent, by its node and its instances. Raises Refused for a bad filter."""
    node, service, tag = (
        _pattern(kind, text)
        for kind, text in (
            ("node", event.node_filter),
            ("service", event.service_filter),
            ("tag", event.tag_filter),
        )
    )
    if not node.search(state.identity.node):
        return False
    return not event.service_filter or any(
        service.search(row.name) and (not event.tag_filter or any(map(tag.search, row.tags)))
        for row in state.local.services.values()
    )


def _pattern(kind: str, text: str) -> Pattern:
    try:
        return compile_pattern(text)
    except ValueError as error:
        raise Refused(500, f"Invalid {kind} filter: {error}") from None


def _view(event: UserEvent) -> wire.UserEvent:
    return wire.UserEvent(
        id=event.id,
        name=event.name,
        payload=event.payload or None,
        node_filter=event.node_filter,
        service_filter=event.service_filter,
        tag_filter=event.tag_filter,
        version=1,
        l_time=event.time,
    )


ROUTES = (
    Route("PUT", "/v1/event/fire/", fire),
    Route("GET", "/v1/event/list", listed),
)
