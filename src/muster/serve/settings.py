"""The numbers and files of a service that most authors leave alone, grouped by what they are about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import isfinite
from pathlib import Path
from types import NoneType

from muster.model.errors import BadConfiguration
from muster.model.typed import check_types, expect

MIB = 1024 * 1024

DRAIN = "MUSTER_DRAIN"


@dataclass(frozen=True, slots=True)
class Timing:
    """How often and how long, in seconds.

    beat               between two heartbeats; after three missed ones the registry takes the instance for dead
    reach              between two calls by which the registry finds out whether the instance can be reached
    deregister_after   how long it may stay critical before the registry forgets it (Consul's minimum is 60)
    drain              between leaving the registry and refusing calls: what clients have to take notice. Where
                       MUSTER_DRAIN is set it is that: see `timing_of`
    stop               from the signal to the end: drain, calls in flight and hooks share it. The default stays
                       below the 5 seconds after which Nomad kills (Docker gives 10, Kubernetes 30)
    spread             over how long the instances of a fleet register anew once the registry has lost its data: of N
                       that it had, N / spread do so in a second, at most. None: as `beat`. Clients go on calling who
                       is missing for 30 s only
    blocked            for how long the event loop may not run before heartbeats say that the instance is critical
    lagging            the same for warning, which muster's clients go on calling and many others do not; None: never
    """

    beat: float = 10.0
    reach: float = 10.0
    deregister_after: float = 60.0
    drain: float = 2.0
    stop: float = 4.5
    spread: float | None = None
    blocked: float = 5.0
    lagging: float | None = None

    def __post_init__(self) -> None:
        """Raises BadConfiguration for what is no number, and for numbers that contradict each other."""
        check_types(self)
        if min(self.beat, self.reach, self.deregister_after) <= 0:
            raise BadConfiguration(f"beat, reach and deregister_after must be above 0 seconds: {self}")
        if not 0 <= self.drain <= self.stop:
            raise BadConfiguration(f"drain must be between 0 and stop, of which it is a part: {self}")
        if self.spread is not None and self.spread <= 0:
            raise BadConfiguration(f"spread must be above 0 seconds: {self}")
        if self.blocked <= 0 or (self.lagging is not None and self.lagging <= 0):
            raise BadConfiguration(f"blocked and lagging must be above 0 seconds: {self}")

    @property
    def ttl(self) -> float:
        return 3 * self.beat


def timing_of(given: Timing, environ: Mapping[str, str]) -> Timing:
    """`given`, with MUSTER_DRAIN for its drain where that is set. The rest of the stop has the time that it had.

    Unlike other settings the environment wins: who runs the program knows whether there are clients to wait for, and
    a program that sets its timing would else make its tests wait. Raises BadConfiguration.
    """
    said = environ.get(DRAIN)
    if not said:
        return given
    try:
        drain = float(said)
    except ValueError:
        drain = -1.0
    if not (isfinite(drain) and drain >= 0):
        raise BadConfiguration(f"{DRAIN} is {said!r}: expected a number of seconds, such as 0.5, or 0 for no drain")
    return replace(given, drain=drain, stop=given.stop - given.drain + drain)


@dataclass(frozen=True, slots=True)
class Limits:
    """What a server lets in.

    calls      at once, health checks not counted; None: any number. More are refused with RESOURCE_EXHAUSTED
    received   bytes of one received message, gRPC's own default; more: RESOURCE_EXHAUSTED
    sent       bytes of one sent message
    threads    that run handlers which are not async
    """

    calls: int | None = None
    received: int = 4 * MIB
    sent: int = 64 * MIB
    threads: int = 32

    def __post_init__(self) -> None:
        """Raises BadConfiguration for a limit that is none, or lets nothing in."""
        check_types(self)
        if min(self.received, self.sent, self.threads, 1 if self.calls is None else self.calls) < 1:
            raise BadConfiguration(f"every limit must be at least 1: {self}")


@dataclass(frozen=True, slots=True)
class Second:
    """Where the second protocol of a service is reached.

    name        under which it is registered; empty: NAME-http or NAME-grpc. It needs one of its own, since readers that
                are not muster's take all instances of a name for the same
    port        where it listens; 0: any free one
    advertise   HOST:PORT that others connect to; None: the host of the first, and the port that is bound
    """

    name: str = ""
    port: int = 0
    advertise: str | None = None

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)


@dataclass(frozen=True, slots=True)
class TLS:
    """A server's identity: PEM files, read each time that the service starts.

    With `client_ca`, callers must show a certificate that one of these authorities has signed.
    """

    certificate: Path | str
    key: Path | str
    client_ca: Path | str | None = None

    def __post_init__(self) -> None:
        """Raises BadConfiguration for what is no path. No I/O."""
        for name, value in (("certificate", self.certificate), ("key", self.key)):
            expect(f"TLS({name}=", value, (str, Path), "the path of a PEM file")
        expect("TLS(client_ca=", self.client_ca, (str, Path, NoneType), "the path of a PEM file, or None")
