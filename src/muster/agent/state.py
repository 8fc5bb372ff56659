"""What the API answers from and writes to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from muster.agent.autopilot import Autopilot
from muster.agent.blocking import Waiters
from muster.agent.catalog.catalog import Catalog
from muster.agent.catalog.topics import Topic
from muster.agent.defined import DefinedServices
from muster.agent.encoded import EncodedAnswers
from muster.agent.entries.entries import ConfigEntries
from muster.agent.events import Events
from muster.agent.identity import Identity, node_check, node_row, server_row
from muster.agent.kv.expiry import LivingSessions
from muster.agent.kv.pairs import Pairs
from muster.agent.kv.sessions import Sessions
from muster.agent.local import LocalServices, Timing
from muster.agent.monitor import Monitors
from muster.agent.queries.queries import Queries
from muster.agent.settings import InForce
from muster.agent.store.coding import Undecodable
from muster.agent.store.journal import Journal
from muster.agent.store.tables import Tables


@dataclass(frozen=True, slots=True)
class State:
    """One agent, without its listener: who it is; all its tables, among them the catalog, its own instances and checks,
    keys, sessions, prepared queries, config entries and autopilot's settings; who waits, answers that were given
    before, user events, streams of the log, and the settings in force."""

    identity: Identity
    tables: Tables
    catalog: Catalog
    local: LocalServices
    defined: DefinedServices
    pairs: Pairs
    sessions: LivingSessions
    waiters: Waiters
    encoded: EncodedAnswers
    events: Events
    entries: ConfigEntries
    autopilot: Autopilot
    monitors: Monitors
    in_force: InForce
    queries: Queries

    def wake(self, topics: Iterable[Topic]) -> None:
        """Tell of a change that is in no table: whoever waits for one of `topics` is woken."""
        self.waiters.wake(topics)

    def adopt_node(self) -> None:
        """Have the id of this agent for the node of its name, where the tables were filled with another's."""
        with self.tables.write() as write:
            self.catalog.adopt(write, self.identity.node, self.identity.node_id)

    def put_back(self) -> None:
        """Write the agent's own node, and everything that is registered with the agent, into the catalog again."""
        self.local.put_back(node_row(self.identity), server_row(self.identity), node_check(self.identity))


@asynccontextmanager
async def living_state(
    node: str, first_index: int, timing: Timing, in_force: InForce, journal: Journal | None = None
) -> AsyncIterator[Callable[[Identity], State]]:
    """The state of an agent that begins, to be had once its identity is known: what the journal has of an earlier
    agent, else empty, and its own node. Checks and sessions live while this lasts. Raises BadConfiguration for a
    journal that cannot be read."""
    waiters = Waiters(in_force.limits.max_blocked_queries)

    def changed(topics: Iterable[Topic]) -> None:
        waiters.wake(topics)
        sessions.heed(topics)
        local.aliases.heed(topics)

    tables = Tables(first_index, changed)
    catalog, pairs = Catalog(tables), Pairs(tables)
    sessions = LivingSessions(tables, Sessions(tables, catalog, pairs))
    queries = Queries(tables, lambda session_id: sessions.table.get(session_id) is not None)
    sessions.table.ending.append(queries.drop_of)
    local = LocalServices(node, tables, catalog, timing)
    defined = DefinedServices(tables, local, node)
    entries, autopilot = ConfigEntries(tables), Autopilot(tables)

    def begin(identity: Identity) -> State:
        state = State(
            identity=identity,
            tables=tables,
            catalog=catalog,
            local=local,
            defined=defined,
            pairs=pairs,
            sessions=sessions,
            waiters=waiters,
            encoded=EncodedAnswers(),
            events=Events(),
            entries=entries,
            autopilot=autopilot,
            monitors=Monitors(),
            in_force=in_force,
            queries=queries,
        )
        if journal is not None:
            _take_up(state, journal)
        state.put_back()
        local.resume(in_force.refuse_scripts)
        sessions.resume()
        return state

    async with sessions, local.running:
        yield begin


def _take_up(state: State, journal: Journal) -> None:
    """Begin with what the journal has, and write what changes from now on into it."""
    try:
        state.tables.load(journal.kept.rows)
    except Undecodable as error:
        raise journal.file.unusable(str(error)) from None
    journal.forget()
    state.tables.journal = journal
    state.local.take_up()
    state.adopt_node()
