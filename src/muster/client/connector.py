"""How a transport takes part: it connects to instances and tells the pool which of them are ready."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from muster.balance.nodes import Readiness
from muster.model.instance import Instance


class Link(Protocol):
    """What calls to one instance go through. Counts its users, so that it is closed when the last has done."""

    def hold(self) -> None:
        """One user more."""
        ...

    def release(self) -> None:
        """One user less; a link that takes no new users closes with the last."""
        ...


class Connection(Protocol):
    """The transport's side of one node."""

    def close(self) -> None:
        """The instance has gone: nobody new is sent to it, and what is under way may finish. Returns at once."""
        ...


LinkT = TypeVar("LinkT", bound=Link)

Report = Callable[[Readiness, str, LinkT | None], None]
"""`report(readiness, why, link)`: called by a connection on the pool's event loop whenever its verdict changes; `link`
with READY alone. Takes effect before it returns. After `Connection.close` it does nothing."""


LinkT_co = TypeVar("LinkT_co", bound=Link, covariant=True)


class Connector(Protocol[LinkT_co]):
    """Opens connections; owns the tasks that keep them."""

    def connect(self, instance: Instance, report: Report[LinkT_co]) -> Connection:
        """Begin to connect and return at once. Never calls `report` before it has returned."""
        ...
