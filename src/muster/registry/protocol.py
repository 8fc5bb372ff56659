"""What a registry does: two small protocols, since DNS and Kubernetes can only be read.

A backend never retries and never waits out an error: it raises, and its caller (`watch.watcher`,
`serve.registration`) decides. The errors that may come out of a backend, foreign ones are mapped at its border:

    RegistryUnavailable   did not answer, or not usably; trying again may help
    NotRegistered         (from `beat`) the instance is not known (any more): register anew
    Rejected, Denied      trying again will not help until somebody has mended something
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping
from types import TracebackType
from typing import Protocol, Self, runtime_checkable

from muster.model.check import CheckState
from muster.model.service import Registration
from muster.model.snapshot import Answer


@runtime_checkable
class Registrar(Protocol):
    """Writes. A registration belongs to the agent that took it: an implementation with several addresses sends all
    writes for an instance to the one that took its registration."""

    async def register(self, registration: Registration) -> None:
        """Make it so: the registry holds exactly `registration`, its checks passing if they are new.

        Idempotent: reads first and writes only what differs. May overlap with other calls, not with another for the
        same instance id. Raises Rejected for what `Registration.validate` refuses, and for an id that another
        service's instance holds.
        """
        ...

    async def deregister(self, instance_id: str) -> None:
        """Remove the instance and its checks. An unknown id is fine: the goal is reached."""
        ...

    async def beat(self, instance_id: str, state: CheckState) -> None:
        """Report the state of the TTL check `state.name` and start its time anew. Raises NotRegistered."""
        ...


@runtime_checkable
class Discovery(Protocol):
    """Reads. Both methods return at once; iterating asks. `aclose` closes the request under way."""

    def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        """The whole state of `name`, at once and then whenever it may have changed; never ends by itself.

        The same answer may come again: it confirms what is known. A slow reader sees only the newest. Nobody
        registered is Absent; instances that are registered but unhealthy are Known, with their health. An answer
        that the registry filtered for lack of rights raises Denied, since it would look like Absent.
        """
        ...

    def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        """Every name that has instances, healthy or not, with the tags in use; like `watch`."""
        ...


@runtime_checkable
class Regional(Protocol):
    """A registry of several datacenters."""

    def within(self, datacenters: tuple[str, ...]) -> Discovery:
        """Reads from these instead, in the order of preference: from a later one only while those before it have
        nobody to call. One that does not answer is passed over once it has failed twice in a row."""
        ...


@runtime_checkable
class Clustered(Protocol):
    """A registry that can tell whether it is for this machine alone."""

    async def others(self) -> int:
        """How many other machines share the registry, as far as it knows. Raises RegistryUnavailable and Denied."""
        ...


@runtime_checkable
class Operable(Protocol):
    """A registry in which people on call can change instances that others registered. Each raises NotRegistered, and
    what a registration anew writes replaces it."""

    async def drain(self, instance_id: str, reason: str) -> None:
        """Take an instance out of service: every reader sees it as critical, with the reason."""
        ...

    async def restore(self, instance_id: str) -> None:
        """Put it back into service."""
        ...

    async def weigh(self, instance_id: str, weight: int) -> None:
        """Give it another weight."""
        ...


class Registry(Protocol):
    """What a URL opens: an object that is a Discovery, a Registrar or both, and that owns its connections.

    Constructors do no I/O. Entering does none either; leaving closes what was opened meanwhile. `str(registry)` is its
    URL without secrets.
    """

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
