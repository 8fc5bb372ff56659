"""One instance for one piece of work."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Generic, Self

from muster.balance.nodes import Node
from muster.client.connector import LinkT
from muster.model.errors import Fault
from muster.model.instance import Instance
from muster.model.outcome import Outcome


class Lease(Generic[LinkT]):
    """An instance that was chosen, held until `release`, or until the end of a `with` block.

    The block reports its outcome by itself: OK, CANCELLED, DEADLINE_EXCEEDED for a TimeoutError, the code of a Fault,
    and UNKNOWN for any other exception. To say it better, call `release` yourself. `link` is the transport's
    connection; None in a pool without a transport.
    """

    __slots__ = ("_node", "_released", "_start", "link")

    def __init__(self, node: Node[LinkT]) -> None:
        self._node = node
        self._start = time.monotonic()
        self._released = False
        self.link = node.link
        node.begin()
        if self.link is not None:
            self.link.hold()

    @property
    def instance(self) -> Instance:
        return self._node.instance

    def release(self, code: str = "OK") -> None:
        """The work is done, with a gRPC status name. Only the first call counts."""
        if self._released:
            return
        self._released = True
        self._node.end(Outcome(code, seconds=time.monotonic() - self._start))
        if self.link is not None:
            self.link.release()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.release(_code_of(error))


def _code_of(error: BaseException | None) -> str:
    match error:
        case None:
            return "OK"
        case Fault():
            return error.code
        case asyncio.CancelledError():
            return "CANCELLED"
        case TimeoutError():
            return "DEADLINE_EXCEEDED"
        case _:
            return "UNKNOWN"
