"""/v1/status: who leads. One node leads itself."""

from __future__ import annotations

from muster.agent.api.answer import Answer, json_answer
from muster.agent.api.reading import plain_reading
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.state import State


def leader(state: State, request: Request) -> Answer:
    plain_reading(state, request)
    return json_answer(state.identity.server)


def peers(state: State, request: Request) -> Answer:
    plain_reading(state, request)
    return json_answer([state.identity.server])


ROUTES = (
    Route("GET", "/v1/status/leader", leader),
    Route("GET", "/v1/status/peers", peers),
)
