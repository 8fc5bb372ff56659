"""What the API answers from and writes to."""

from __future__ import annotations

from dataclasses import dataclass

from muster.agent.blocking import Waiters
from muster.agent.catalog.catalog import Catalog
from muster.agent.encoded import EncodedAnswers
from muster.agent.identity import Identity
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
