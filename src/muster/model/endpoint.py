"""One callable of a service, and how a short name finds it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from muster.model.errors import Fault, Rejected


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One callable, by its full wire path, `/pkg.Say/Hello` for gRPC. Types are full names of the wire's types."""

    path: str
    request: str = ""
    response: str = ""
    client_streaming: bool = False
    server_streaming: bool = False

    @property
    def short(self) -> str:
        """`Say.Hello` for `/pkg.Say/Hello`."""
        service, _, method = self.path.strip("/").rpartition("/")
        return f"{service.rpartition('.')[2]}.{method}"

    @property
    def dotted(self) -> str:
        """`pkg.Say.Hello` for `/pkg.Say/Hello`."""
        return self.path.strip("/").replace("/", ".")


def find(endpoints: Iterable[Endpoint], name: str) -> Endpoint:
    """The endpoint that `name` means: a full path (`/pkg.Say/Hello`), a dotted one, or a short one (`Say.Hello`).

    Raises Fault UNIMPLEMENTED where there is none (its text lists what there is), and Rejected where a short name
    fits several (its text lists them all). Case is significant.
    """
    known = sorted(endpoints, key=lambda endpoint: endpoint.path)
    for endpoint in known:
        if name in (endpoint.path, endpoint.path[1:], endpoint.dotted):
            return endpoint
    fitting = [endpoint for endpoint in known if endpoint.short == name]
    if len(fitting) == 1:
        return fitting[0]
    if fitting:
        paths = ", ".join(endpoint.path for endpoint in fitting)
        raise Rejected(f"method {name!r} fits {len(fitting)} endpoints: {paths}; use the whole path")
    offered = ", ".join(endpoint.short for endpoint in known[:20]) or "none"
    raise Fault("UNIMPLEMENTED", f"no method {name!r}; offered: {offered}")
