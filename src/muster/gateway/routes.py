"""Which service a path means, and which of its endpoints. Pure.

/greeter/say/hello           Say.Hello of the service greeter, whatever proto package offers it
/greeter/say/list-hellos     Say.ListHellos; case, '-' and '_' do not count
/greeter/greeter.v1.Say/Hello   by the whole name, or any end of it that begins after a dot
/greeter/Say.Hello           the same in one part
/greeter/hello               Greeter.Hello: without a type, the service's name is one (as in Go Micro)
/greeter                     the list of its endpoints
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes

from muster.gateway.problem import refused
from muster.model.endpoint import Endpoint

_LISTED = 50
_WORDS = re.compile(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")


@dataclass(frozen=True, slots=True)
class Route:
    """A path, decoded. `kind` and `method` are empty for the service itself."""

    service: str
    kind: str = ""
    method: str = ""


def route(path: str) -> Route:
    """The route of a path as it was sent: what is encoded as %2F is part of a name. Not for `/`.

    Raises Refused 400 for what is no UTF-8, 404 for a path that is too long or has empty parts.
    """
    parts = [_decoded(part) for part in path.removesuffix("/").split("/")[1:]]
    if len(parts) == 2:
        kind, dot, method = parts[1].rpartition(".")
        parts = [parts[0], kind if dot else parts[0], method]
    if len(parts) not in (1, 3) or not all(parts):
        raise refused(404, "NOT_FOUND", f"{path!r} leads nowhere: a path is /SERVICE/TYPE/METHOD")
    return Route(*parts)


def resolve(endpoints: Sequence[Endpoint], wanted: Route) -> Endpoint:
    """The endpoint that a route means. Spelled exactly it wins over those that differ in case, '-' and '_'.

    Raises Refused 404 where there is none, with those that there are; 400 where it means several, with them all.
    """
    found = [endpoint for endpoint in endpoints if _fits(endpoint, wanted, _fold)]
    if len(found) > 1:
        found = [endpoint for endpoint in found if _fits(endpoint, wanted, str)] or found
    if len(found) == 1:
        return found[0]
    asked = f"{wanted.kind}.{wanted.method}"
    if found:
        paths = ", ".join(_whole_path(wanted.service, endpoint) for endpoint in found)
        raise refused(400, "INVALID_ARGUMENT", f"{asked!r} means {len(found)} endpoints; use the path of one: {paths}")
    offered = ", ".join(list(paths_of(wanted.service, endpoints).values())[:_LISTED]) or "nothing"
    raise refused(404, "NOT_FOUND", f"the service {wanted.service!r} has no {asked!r}; it offers: {offered}")


def paths_of(service: str, endpoints: Sequence[Endpoint]) -> dict[str, str]:
    """The paths of endpoints by their full names: the short one, or the whole one where the short means several."""
    shorts = [_fold(endpoint.short) for endpoint in endpoints]
    return {
        endpoint.dotted: _short_path(service, endpoint) if shorts.count(short) == 1 else _whole_path(service, endpoint)
        for endpoint, short in zip(endpoints, shorts, strict=True)
    }


def _fits(endpoint: Endpoint, wanted: Route, spelled: Callable[[str], str]) -> bool:
    offered, _, method = endpoint.path.strip("/").rpartition("/")
    kind = spelled(wanted.kind)
    return spelled(method) == spelled(wanted.method) and f".{spelled(offered)}".endswith(f".{kind}")


def _fold(name: str) -> str:
    return name.replace("-", "").replace("_", "").lower()


def _decoded(part: str) -> str:
    try:
        return unquote_to_bytes(part).decode()
    except UnicodeDecodeError:
        raise refused(400, "INVALID_ARGUMENT", f"{part!r} in the path is no UTF-8") from None


def _short_path(service: str, endpoint: Endpoint) -> str:
    kind, _, method = endpoint.short.rpartition(".")
    return f"/{quote(service, safe='')}/{_dashed(kind)}/{_dashed(method)}"


def _whole_path(service: str, endpoint: Endpoint) -> str:
    return f"/{quote(service, safe='')}{endpoint.path}"


def _dashed(name: str) -> str:
    """`list-hellos` for `ListHellos`."""
    return _WORDS.sub("-", name).lower()
