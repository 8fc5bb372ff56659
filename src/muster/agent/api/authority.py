"""/v1/connect, /v1/agent/connect and /v1/discovery-chain: as a Consul answers whose Connect is not enabled.

The agent is no certificate authority and routes nothing by intentions, so that there are none and everybody may call
everybody; who would write one is told the same as who asks for certificates.
"""

from __future__ import annotations

from muster.agent.api.answer import Answer, Query, Refused, json_answer
from muster.agent.api.reading import NOT_ASKED, plain_query, plain_reading, require_datacenter
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found
from muster.agent.state import State

_UUID = 36
_DISABLED = "Connect must be enabled in order to use this endpoint"


def disabled(state: State, request: Request) -> Answer:
    raise Refused(500, _DISABLED)


def of_servers(state: State, request: Request) -> Answer:
    """The same where Consul asks its leader."""
    require_datacenter(state, request.params, *NOT_ASKED)
    raise Refused(500, _DISABLED, *NOT_ASKED)


def chain(state: State, request: Request) -> Answer:
    if not request.rest:
        raise Refused(400, "Bad request: Missing chain name")
    return of_servers(state, request)


def intentions(state: State, request: Request) -> Query:
    """There are none, nor ever will be: who waits for one waits in vain."""
    return plain_query(plain_reading(state, request, *NOT_ASKED), lambda: Found(1, (), lambda: json_answer([])))


def intention(state: State, request: Request) -> Answer:
    plain_reading(state, request)
    if len(request.rest) != _UUID:
        raise Refused(400, "Bad request: failed intention lookup: index error: UUID must be 36 characters")
    raise Refused(404, "Intention not found")


def matching(state: State, request: Request) -> Answer:
    """The intentions that concern a service: none."""
    plain_reading(state, request)
    by = _required(request, "by")
    if by not in ("source", "destination"):
        raise Refused(500, "'by' parameter must be one of 'source' or 'destination'")
    _required(request, "name")
    return json_answer(dict.fromkeys(request.params.all("name")))


def allowed(state: State, request: Request) -> Answer:
    """Whether one service may call another."""
    plain_reading(state, request)
    for name in ("source", "destination"):
        _required(request, name)
    kind = request.params.first("source-type")
    if kind not in ("", "consul"):
        raise Refused(500, f'unsupported SourceType: "{kind}"')
    return json_answer({"Allowed": True})


def _required(request: Request, name: str) -> str:
    if name not in request.params:
        raise Refused(500, f"required query parameter '{name}' not set")
    return request.params.first(name)


ROUTES = (
    Route("GET", "/v1/connect/ca/roots", of_servers),
    Route("GET", "/v1/connect/ca/configuration", disabled),
    Route("PUT", "/v1/connect/ca/configuration", disabled),
    Route("GET", "/v1/connect/intentions", intentions),
    Route("POST", "/v1/connect/intentions", disabled),
    Route("GET", "/v1/connect/intentions/match", matching),
    Route("GET", "/v1/connect/intentions/check", allowed),
    Route("GET", "/v1/connect/intentions/", intention),
    Route("PUT", "/v1/connect/intentions/", disabled),
    Route("DELETE", "/v1/connect/intentions/", disabled),
    Route("GET", "/v1/agent/connect/ca/roots", disabled),
    Route("GET", "/v1/agent/connect/ca/leaf/", disabled),
    Route("POST", "/v1/agent/connect/authorize", disabled),
    Route("GET", "/v1/discovery-chain/", chain),
    Route("POST", "/v1/discovery-chain/", chain),
)
