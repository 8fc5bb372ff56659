"""What the API answers from and writes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from muster.agent.blocking import Waiters
from muster.agent.catalog.catalog import Catalog
from muster.agent.catalog.topics import Topic
from muster.agent.encoded import EncodedAnswers
from muster.agent.events import Events
from muster.agent.identity import Identity, node_check, node_row, server_row
from muster.agent.kv.expiry import LivingSessions
from muster.agent.kv.pairs import Pairs
from muster.agent.kv.sessions import Sessions
from muster.agent.local import LocalServices, Timing


@dataclass(frozen=True, slots=True)
class State:
    """One agent, without its listener: who it is, the catalog, its own instances and checks, keys and sessions, who
    waits, answers that were given before, and user events."""

    identity: Identity
    catalog: Catalog
    local: LocalServices
    pairs: Pairs
    sessions: LivingSessions
    waiters: Waiters
    encoded: EncodedAnswers
    events: Events

    def wake(self, topics: Iterable[Topic]) -> None:
        """Tell of a change: whoever waits for one of `topics` is woken, and sessions that it ends are ended."""
        self.waiters.wake(topics)
        self.sessions.heed(topics)

    def put_back(self) -> None:
        """Write the agent's own node, and everything that is registered with the agent, into the catalog again."""
        self.local.put_back(node_row(self.identity), server_row(self.identity), node_check(self.identity))


@asynccontextmanager
async def living_state(
    node: str, first_index: int, timing: Timing, most_waiting: int
) -> AsyncIterator[Callable[[Identity], State]]:
    """The state of an agent that begins, to be had once its identity is known: empty but for its own node. Checks and
    sessions live while this lasts."""
    catalog, waiters = Catalog(first_index), Waiters(most_waiting)
    pairs = Pairs(catalog.sequence)

    def changed(topics: Iterable[Topic]) -> None:
        waiters.wake(topics)
        sessions.heed(topics)

    sessions = LivingSessions(Sessions(catalog.sequence, catalog, pairs), changed)
    local = LocalServices(node, catalog, changed, timing)

    def begin(identity: Identity) -> State:
        state = State(identity, catalog, local, pairs, sessions, waiters, EncodedAnswers(), Events())
        state.put_back()
        return state

    async with sessions, local.running:
        yield begin
