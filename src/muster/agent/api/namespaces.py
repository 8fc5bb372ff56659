"""What an endpoint that knows of namespaces says to who names one: Consul has them in its Enterprise edition alone.

The others ignore the name, as Consul's do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from muster.agent.api.answer import Answer, text_answer
from muster.agent.api.request import Params

_FAMILIES: Final = (
    *(f"/v1/agent/{family}" for family in ("check", "health/", "service")),
    *(f"/v1/{family}/" for family in ("catalog", "config", "health", "kv", "session")),
)
_WITHOUT: Final = frozenset(
    (
        "/v1/agent/check/update/",
        "/v1/agent/service/maintenance/",
        "/v1/catalog/datacenters",
        "/v1/catalog/nodes",
    )
)


def with_namespaces(paths: Iterable[str]) -> frozenset[str]:
    """The endpoints that know of namespaces."""
    return frozenset(path for path in paths if path.startswith(_FAMILIES) and path not in _WITHOUT)


def refusal(params: Params, *, in_header: bool) -> Answer | None:
    """What is said to a request that names a namespace; None for one that does not."""
    if params.first("ns"):
        named = 'query parameter: "ns"'
    elif in_header:
        named = 'header: "X-Consul-Namespace"'
    else:
        return None
    return text_answer(400, f"Bad request: Invalid {named} - Namespaces are a Consul Enterprise feature")
