"""What the API answers from and writes to."""

from __future__ import annotations

from dataclasses import dataclass

from muster.agent.blocking import Waiters
from muster.agent.catalog.catalog import Catalog
from muster.agent.encoded import EncodedAnswers
from muster.agent.identity import Identity, node_check, node_row, server_row
from muster.agent.local import LocalServices


@dataclass(frozen=True, slots=True)
class State:
    """One agent, without its listener: who it is, the catalog, its own instances and checks, who waits, and
    answers that were given before."""

    identity: Identity
    catalog: Catalog
    local: LocalServices
    waiters: Waiters
    encoded: EncodedAnswers

    def put_back(self) -> None:
        """Write the agent's own node, and everything that is registered with the agent, into the catalog again."""
        self.local.put_back(node_row(self.identity), server_row(self.identity), node_check(self.identity))
