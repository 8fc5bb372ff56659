"""/v1/agent/service: the instances that are registered with this agent."""

from __future__ import annotations

import hashlib

import msgspec

from muster.agent.api.answer import DONE, JSON, Answer, Query, Refused, encode, json_answer, text_answer
from muster.agent.api.body import decode_body
from muster.agent.api.reading import is_wanted, patience, wanted_by_filter
from muster.agent.api.registration import service_checks, service_row
from muster.agent.api.request import Params, Request
from muster.agent.api.routing import Route
from muster.agent.blocking import Found, Patience
from muster.agent.catalog import views
from muster.agent.filter import schema
from muster.agent.local import service_of_agent
from muster.agent.state import State
from muster.registry.consul import wire


def services(state: State, request: Request) -> Answer:
    """The instances of this agent, by id. No index, and no waiting."""
    matches = wanted_by_filter(request.params, schema.SERVICE)
    found = {row.id: views.agent_service(row) for row in state.local.services.values()}
    return json_answer({service_id: view for service_id, view in found.items() if is_wanted(matches, view)})


def service(state: State, request: Request) -> Query:
    """One instance. With `hash=` it waits until the content differs from what had that hash, or is gone."""
    known, seconds = request.params.first("hash"), patience(request.params).seconds

    def ask() -> Found[Answer]:
        answer, content_hash = _service_answer(state, request.rest)
        index = _SAME if known and content_hash == known else _OTHER
        return Found(index, (service_of_agent(request.rest),), lambda: answer)

    return Query(ask, Patience(_SAME if known else 0, seconds))


_SAME, _OTHER = 1, 2
"""Stand for an index where a hash says whether there is news."""


def _service_answer(state: State, service_id: str) -> tuple[Answer, str]:
    row = state.local.services.get(service_id)
    if row is None:
        return text_answer(404, f"unknown service ID: {service_id}"), ""
    view = views.agent_service(row)
    content_hash = hashlib.blake2b(encode(view), digest_size=8).hexdigest()
    body = encode(msgspec.structs.replace(view, content_hash=content_hash))
    return Answer(200, body, JSON, ((b"X-Consul-Contenthash", content_hash.encode()),)), content_hash


def register(state: State, request: Request) -> Answer:
    """Write an instance with its checks."""
    asked = decode_body(request.body, wire.ServiceRegistration)
    row = service_row(asked, state.identity.node)
    checks = service_checks(asked, row, state.in_force.refuse_scripts)
    state.local.register_service(row, checks, replace_checks=_replaces_checks(request.params))
    return DONE


def deregister(state: State, request: Request) -> Answer:
    """Remove an instance and its checks; an unknown one is fine."""
    if not request.rest:
        raise Refused(500, "ServiceID missing")
    state.local.deregister_service(request.rest)
    return DONE


def _replaces_checks(params: Params) -> bool:
    name = "replace-existing-checks"
    return name in params and params.first(name) in ("", "true")


ROUTES = (
    Route("GET", "/v1/agent/services", services),
    Route("GET", "/v1/agent/service/", service),
    Route("PUT", "/v1/agent/service/register", register),
    Route("PUT", "/v1/agent/service/deregister/", deregister),
)
