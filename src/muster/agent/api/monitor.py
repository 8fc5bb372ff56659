"""/v1/agent/monitor: the agent's log, for as long as the client listens."""

from __future__ import annotations

from functools import partial

from muster.agent.api.answer import Refused, Stream
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.monitor import LEVELS
from muster.agent.state import State


def monitor(state: State, request: Request) -> Stream:
    """What is logged from now on, at `loglevel`, as text or with `logjson` as JSON."""
    name = request.params.first("loglevel") or "INFO"
    level = LEVELS.get(name.upper())
    if level is None:
        raise Refused(400, f"Bad request: Unknown log level: {name}")
    return Stream(partial(state.monitors.open, level, as_json="logjson" in request.params))


ROUTES = (Route("GET", "/v1/agent/monitor", monitor),)
