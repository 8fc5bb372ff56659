"""How health is found out, and what was found."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Health(StrEnum):
    """The state of a check, or of an instance: the worst of its checks. The values are Consul's words."""

    PASSING = "passing"
    WARNING = "warning"
    CRITICAL = "critical"

    @property
    def callable(self) -> bool:
        """Warning is not death: only critical instances are out of the question."""
        return self is not Health.CRITICAL


_SEVERITY = {Health.PASSING: 0, Health.WARNING: 1, Health.CRITICAL: 2}


def worst(states: tuple[Health, ...]) -> Health:
    """The worst of some states; PASSING for none, as in Consul."""
    return max(states, key=_SEVERITY.__getitem__, default=Health.PASSING)


@dataclass(frozen=True, slots=True)
class CheckState:
    """What a check found. `name` is the check's name (`self`, `reach`, or a foreign one), `output` is for people."""

    name: str
    health: Health
    output: str = ""


@dataclass(frozen=True, slots=True)
class TTLCheck:
    """Healthy while the instance itself says so at least every `ttl` seconds."""

    name: str
    ttl: float


@dataclass(frozen=True, slots=True)
class GRPCCheck:
    """The registry calls grpc.health.v1.Health/Check for `service` at `target` (host:port)."""

    name: str
    target: str
    service: str
    interval: float = 10.0
    timeout: float = 5.0
    tls: bool = False
    tls_skip_verify: bool = False


@dataclass(frozen=True, slots=True)
class HTTPCheck:
    """The registry sends GET to `url`: 2xx is passing, 429 warning, all else critical once it came `failures` times."""

    name: str
    url: str
    interval: float = 10.0
    timeout: float = 5.0
    tls_skip_verify: bool = False
    failures: int = 1


@dataclass(frozen=True, slots=True)
class TCPCheck:
    """The registry connects to `target` (host:port). It proves that a port is open, not whose it is."""

    name: str
    target: str
    interval: float = 10.0
    timeout: float = 5.0


Check = TTLCheck | GRPCCheck | HTTPCheck | TCPCheck
