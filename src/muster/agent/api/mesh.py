"""What a registration says of Connect: `Proxy` and `Connect`, read and checked by Consul's rules, kept and given back.

Nothing here routes by it. A `SidecarService` is taken, and no proxy is registered for it.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from muster.agent.api.answer import Refused
from muster.agent.entries.kinds import EXPOSE, MESH_GATEWAY
from muster.agent.entries.shape import Key, Problems, anything, many, struct, text, whole

_UPSTREAM = struct(
    Key("DestinationType", text, "service", always=True),
    Key("DestinationNamespace", text),
    Key("DestinationName", text, "", always=True),
    Key("Datacenter", text),
    Key("LocalBindAddress", text),
    Key("LocalBindPort", whole),
    Key("Config", anything),
    MESH_GATEWAY,
)
_PROXY = struct(
    Key("DestinationServiceName", text),
    Key("DestinationServiceID", text),
    Key("LocalServiceAddress", text),
    Key("LocalServicePort", whole),
    Key("Config", anything),
    Key("Upstreams", many(_UPSTREAM)),
    MESH_GATEWAY,
    EXPOSE,
)


def proxy_of(asked: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The proxy's fields, as Consul writes them; None where nothing is said. Raises Refused."""
    if not asked:
        return None
    problems = Problems()
    fields: dict[str, Any] = _PROXY(asked, "", problems)
    if problems.unknown:
        name = problems.unknown[0].rpartition(".")[2]
        raise Refused(400, f'Request decode failed: json: unknown field "{name}"')
    if problems.errors:
        raise Refused(400, f"Request decode failed: {problems.errors[0]}")
    return fields


def connect_of(asked: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Whether the service takes such calls itself; None where it does not. Raises Refused."""
    native = next((value for key, value in (asked or {}).items() if key.lower() == "native"), None)
    if not isinstance(native, bool | None):
        kind = "string" if isinstance(native, str) else "number" if isinstance(native, int | float) else "object"
        what = f"json: cannot unmarshal {kind} into Go struct field .Connect of type bool"
        raise Refused(400, f"Request decode failed: {what}")
    return {"Native": True} if native else None


def validate(
    kind: str, port: int, proxy: Mapping[str, Any] | None, connect: Mapping[str, Any] | None, status: int
) -> None:
    """Raises Refused, with `status`, for a proxy or a gateway that lacks something."""
    problems: list[str] = []
    if kind == "connect-proxy":
        if not (proxy or {}).get("DestinationServiceName"):
            problems.append("Proxy.DestinationServiceName must be non-empty for Connect proxy services")
        if not port:
            problems.append("Port must be set for a Connect proxy")
        if connect:
            problems.append("A Proxy cannot also be Connect Native, only typical services")
    if kind == "mesh-gateway" and not port:
        problems.append("Port must be non-zero for a mesh-gateway")
    if problems:
        count = "1 error" if len(problems) == 1 else f"{len(problems)} errors"
        raise Refused(status, f"{count} occurred:\n" + "".join(f"\t* {problem}\n" for problem in problems) + "\n")
