"""The line that says where a service is reached, and what it is registered as. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from muster.model.instance import Instance, join_host_port


def running_line(instances: Iterable[Instance], registry: str, why: str = "", workers: int = 0) -> str:
    """Of one process, or of so many workers. `registry`: where it registers, or empty; `why`: what keeps it from that.

    greeter: grpc at 127.0.0.1:4001 (greeter-0f3a…), http at 127.0.0.1:4002 (greeter-http-77c1…) as greeter-http;
    registry consul://127.0.0.1:8500
    """
    found = list(instances)
    name = min((each.service for each in found), key=len, default="")
    places = [_places(list(group), name) for _, group in groupby(found, lambda each: (each.protocol, each.service))]
    process = f" {workers} workers," if workers else ""
    known = f"; registry {registry}" if registry else ""
    waiting = f"; {why}" if why else ""
    return f"{name}:{process} {', '.join(places)}{known}{waiting}  (Ctrl-C ends it)"


def _places(alike: list[Instance], name: str) -> str:
    where = ", ".join(f"{join_host_port(each.host or '127.0.0.1', each.port)} ({each.id})" for each in alike)
    under = f" as {alike[0].service}" if alike[0].service != name else ""
    return f"{alike[0].protocol} at {where}{under}"
