"""What the operations of a transaction have in common."""

from __future__ import annotations

from typing import Any, Protocol

from muster.agent.store.write import Write


class Failed(Exception):
    """An operation that cannot be done; the text is Consul's."""


class Operation(Protocol):
    """One operation. Synchronous."""

    @property
    def reads_only(self) -> bool:
        """Whether it changes nothing, whatever there is."""
        ...

    def prepare(self) -> None:
        """Look at it before any operation of the transaction is done. Raises Failed."""
        ...

    def run(self, write: Write) -> list[dict[str, Any]]:
        """Do it as a part of `write`, and return what the answer shows of it. Raises Failed; the write must then be
        taken back."""
        ...
