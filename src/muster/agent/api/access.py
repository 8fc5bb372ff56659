"""/v1/acl, with what it was before Consul 1.4, and /v1/agent/token: there is no access control, and Consul says so."""

from __future__ import annotations

from muster.agent.api.answer import Answer, Refused
from muster.agent.api.request import Request
from muster.agent.api.routing import Route
from muster.agent.state import State


def disabled(state: State, request: Request) -> Answer:
    raise Refused(401, "ACL support disabled")


_LISTS = ("tokens", "policies", "roles", "binding-rules", "auth-methods")
_THINGS = ("token", "policy", "role", "binding-rule", "auth-method")

ROUTES = (
    Route("PUT", "/v1/acl/bootstrap", disabled),
    Route("GET", "/v1/acl/replication", disabled),
    Route("POST", "/v1/acl/login", disabled),
    Route("POST", "/v1/acl/logout", disabled),
    Route("PUT", "/v1/agent/token/", disabled),
    Route("POST", "/v1/internal/acl/authorize", disabled),
    Route("GET", "/v1/acl/token/self", disabled),
    Route("POST", "/v1/acl/rules/translate", disabled),
    Route("GET", "/v1/acl/rules/translate/", disabled),
    *(Route("GET", f"/v1/acl/{kind}/name/", disabled) for kind in ("policy", "role")),
    *(Route("GET", f"/v1/acl/{kind}", disabled) for kind in ("list", *_LISTS)),
    *(Route("PUT", f"/v1/acl/{kind}", disabled) for kind in ("create", "update", "destroy/", "clone/")),
    Route("GET", "/v1/acl/info/", disabled),
    *(Route("PUT", f"/v1/acl/{kind}", disabled) for kind in _THINGS),
    *(Route(method, f"/v1/acl/{kind}/", disabled) for kind in _THINGS for method in ("GET", "PUT", "DELETE")),
)
