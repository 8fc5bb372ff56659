"""By which protocol a service is called."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Protocol

from muster.balance.selector import ANY, Selector
from muster.grpc.transport import GrpcTransport
from muster.grpc.typed_client import GRPCWay
from muster.model.errors import BadConfiguration, Fault
from muster.model.instance import GRPC, HTTP
from muster.model.snapshot import Pending, Snapshot, instances_of
from muster.rpc.contract import Operation
from muster.rpc.current import within
from muster.watch.hub import Hub
from muster.watch.latest import Latest

if TYPE_CHECKING:
    from muster.http.client.session import Session

Sent = bytes | AsyncIterable[bytes]


class Way(Protocol):
    """How a service is called by one protocol. All raise Fault, NoInstances, RegistryUnavailable and Overloaded."""

    async def once(self, operation: Operation, sent: Sent) -> bytes: ...

    def many(self, operation: Operation, sent: Sent) -> AsyncGenerator[bytes, None]: ...

    async def describe(self) -> bytes: ...


async def document_of(name: str, way: Way) -> bytes:
    """What describes the typed handlers of the service `name`. Raises Fault UNIMPLEMENTED where it has none."""
    try:
        return await way.describe()
    except Fault as fault:
        if fault.code not in ("UNIMPLEMENTED", "NOT_FOUND"):
            raise
        raise Fault("UNIMPLEMENTED", f"{name!r} has no typed handlers, which alone have a schema") from fault


@dataclass(frozen=True, slots=True)
class Asked:
    """What a typed client was asked for; see `muster.Client.service`."""

    protocol: str = ""
    timeout: float | None = None
    headers: tuple[tuple[str, str], ...] = ()
    dc: tuple[str, ...] = ()
    selector: Selector = ANY


class Ways:
    """The way to the instances of one name: HTTP where they speak that alone, else gRPC; or always `protocol`.

    A name has one protocol; an entry that does not say which is taken for gRPC. `make` gives the way of a protocol;
    `timeout`: seconds to wait for the registry's first answer.
    """

    def __init__(
        self, latest: Latest[Snapshot], protocol: str, make: Callable[[str], Way], timeout: float | None
    ) -> None:
        """Raises BadConfiguration for a protocol that is none."""
        if protocol not in ("", GRPC, HTTP):
            raise BadConfiguration(
                f"protocol={protocol!r}: expected 'grpc' or 'http', or nothing to go by the registry"
            )
        self._latest = latest
        self._make = make
        self._timeout = timeout
        self._made: dict[str, Way] = {}
        self.protocol = ""
        """That of `now`."""
        self.now: Way | None = self._of(protocol) if protocol else None
        """The way, if it is known."""
        if not protocol:
            self._take(latest.value)
            latest.listen(self._take)

    async def known(self) -> Way:
        """The way, once the registry has answered. Raises Fault DEADLINE_EXCEEDED where it has not in time."""
        try:
            async with asyncio.timeout(within(self._timeout)), aclosing(aiter(self._latest)) as snapshots:
                async for snapshot in snapshots:
                    if self.now is not None:
                        break
                    if isinstance(snapshot, Pending) and snapshot.why:
                        return self._of(GRPC)  # which raises what there is to say
        except TimeoutError:
            name = self._latest.value.name
            raise Fault("DEADLINE_EXCEEDED", f"no time left: the registry has told nothing of {name!r} yet") from None
        assert self.now is not None
        return self.now

    def _take(self, snapshot: Snapshot) -> None:
        found = {instance.protocol for instance in instances_of(snapshot)}
        if found:
            self.now = self._of(HTTP if found == {HTTP} else GRPC)
        elif self.now is None and not isinstance(snapshot, Pending):
            self.now = self._of(GRPC)  # which says that nobody is there; whoever was there may come back

    def _of(self, protocol: str) -> Way:
        self.protocol = protocol
        if protocol not in self._made:
            self._made[protocol] = self._make(protocol)
        return self._made[protocol]


@dataclass(frozen=True)
class Finder:
    """Finds the ways of one client. `http` gives its session, which is not made for who calls by gRPC alone; `secure`:
    by https. `timeout`: the client's own."""

    hub: Hub
    transport: GrpcTransport
    http: Callable[[], Session]
    secure: bool
    timeout: float | None
    found: dict[tuple[str, Asked], Ways] = field(default_factory=dict, init=False)

    def ways(self, name: str, asked: Asked) -> Ways:
        """The same ones for the same arguments. The name is watched from now on, for as long as the client is open.

        Raises BadConfiguration for a protocol that is none, and as `Hub.watch`.
        """
        key = name, asked
        if key not in self.found:
            timeout = self.timeout if asked.timeout is None else asked.timeout
            make = partial(self.way, name, asked)
            self.found[key] = Ways(self.hub.watch(name, asked.dc).latest, asked.protocol, make, timeout)
        return self.found[key]

    def way(self, name: str, asked: Asked, protocol: str) -> Way:
        """A new one, by this protocol."""
        if protocol == GRPC:
            metadata = tuple((key.lower(), value) for key, value in asked.headers)
            return GRPCWay(name, self.transport.channel(name, asked.dc, asked.selector), asked.timeout, metadata)
        # aiohttp is not loaded for who calls by gRPC alone.
        from muster.http.typed.client import HTTPWay

        origin = f"{'https' if self.secure else 'http'}://{name}"
        return HTTPWay(origin, self._session(asked), self.timeout, asked.timeout, dict(asked.headers))

    def _session(self, asked: Asked) -> Session:
        session, selector = self.http(), asked.selector
        if not asked.dc and selector == ANY:
            return session
        return session.where(
            dc=asked.dc,
            tags=selector.tags,
            version=selector.version,
            metadata=selector.metadata,
            zone=selector.zone,
        )
