"""How an instance is reached: what callers speak, and how the registry finds out whether it answers. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from muster.model.check import Check, GRPCCheck, HTTPCheck, TCPCheck
from muster.model.instance import GRPC, HTTP, Instance, join_host_port
from muster.rpc import identity
from muster.serve.settings import TLS, Timing

REACH = "reach"
"""The name of the check by which the registry looks for itself, beside the instance's heartbeats."""


class Look(StrEnum):
    """What the registry does to see whether an instance can be reached."""

    GRPC = "grpc"
    HTTP = "http"
    TCP = "tcp"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Reach:
    """How an instance is reached.

    `protocol` is what callers speak; `path` the health path where the registry looks by HTTP. `proves`: what answers
    knows the instance's id, so that a stranger on a dead instance's port is found out; a foreign program's health path
    is asked as it is, and proves nothing. `beats`: heartbeats are a check too. `failures`: how often in a row the HTTP
    path must fail before that counts.
    """

    protocol: str
    look: Look
    path: str = ""
    proves: bool = False
    tls: bool = False
    beats: bool = True
    failures: int = 1

    @property
    def metadata(self) -> dict[str, str]:
        """What clients have to be told to verify it themselves."""
        return {identity.METADATA: self.path} if self.proves and self.protocol == HTTP else {}


def by_grpc(tls: TLS | None) -> Reach:
    """A gRPC server of muster's own. Where callers must show a certificate the registry cannot call, only connect."""
    return Reach(GRPC, _unless_mutual(Look.GRPC, tls), proves=True, tls=tls is not None)


def by_http(path: str, tls: TLS | None) -> Reach:
    """An HTTP server that answers `path`/ID as muster's do."""
    return Reach(HTTP, _unless_mutual(Look.HTTP, tls), path, proves=True, tls=tls is not None)


def check_of(instance: Instance, reach: Reach, timing: Timing) -> Check | None:
    """The registry's look at an instance; None for none.

    A certificate is not judged: the registry's node seldom knows the service's authority, and only the answer matters.
    """
    target = join_host_port(instance.host or "127.0.0.1", instance.port)
    every, timeout = timing.reach, min(5.0, timing.reach)
    match reach.look:
        case Look.NONE:
            return None
        case Look.TCP:
            return TCPCheck(REACH, target, every, timeout)
        case Look.GRPC:
            who = instance.id if reach.proves else ""
            return GRPCCheck(REACH, target, who, every, timeout, tls=reach.tls, tls_skip_verify=reach.tls)
        case Look.HTTP:
            path = identity.path_of(reach.path, instance.id) if reach.proves else reach.path
            url = f"{'https' if reach.tls else 'http'}://{target}{path}"
            return HTTPCheck(REACH, url, every, timeout, tls_skip_verify=reach.tls, failures=reach.failures)


def _unless_mutual(look: Look, tls: TLS | None) -> Look:
    return Look.TCP if tls and tls.client_ca else look
