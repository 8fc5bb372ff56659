"""The table of sessions, by Consul's rules (https://developer.hashicorp.com/consul/docs/dynamic-app-config/sessions).

A session ends when it is destroyed, when nobody renews it in time, or when its node or one of its checks goes away or
becomes critical. The keys that it held are then let go or removed, and cannot be locked for the time of its lock delay.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from enum import StrEnum

from muster.agent.catalog.catalog import Catalog
from muster.agent.catalog.rows import NO_STAMP, Stamp
from muster.agent.catalog.topics import Topic
from muster.agent.kv.pairs import Pairs
from muster.agent.store.tables import Tables
from muster.agent.store.write import Write
from muster.model.check import Health

SESSIONS: Topic = ("sessions", "")


def session_at(session_id: str) -> Topic:
    return ("session", session_id)


class Behavior(StrEnum):
    """What becomes of the keys that an ended session held."""

    RELEASE = "release"
    DELETE = "delete"


@dataclass(frozen=True, slots=True)
class Session:
    """`lock_delay` is in nanoseconds; `ttl` as it was given, empty for none, and `ttl_seconds` what it comes to."""

    id: str
    node: str
    name: str = ""
    lock_delay: int = 15_000_000_000
    behavior: Behavior = Behavior.RELEASE
    ttl: str = ""
    ttl_seconds: float = 0.0
    node_checks: tuple[str, ...] = ()
    service_checks: tuple[tuple[str, str], ...] | None = None
    stamp: Stamp = field(default=NO_STAMP, compare=False)

    @property
    def check_ids(self) -> tuple[str, ...]:
        """The checks that end it."""
        return (*self.node_checks, *(check_id for check_id, _ in self.service_checks or ()))


class BadSession(Exception):
    """Its node or one of its checks is not there, or is critical; the text is Consul's."""


class Sessions:
    """Sessions by id and by node: one of the tables that are written together. Synchronous."""

    name = "sessions"
    row = Session

    def __init__(self, tables: Tables, catalog: Catalog, pairs: Pairs) -> None:
        self._catalog = catalog
        self._pairs = pairs
        self._sessions: dict[str, Session] = {}
        self._on_node: dict[str, set[str]] = {}
        self._last = 1
        self.ending: list[Callable[[Write, str], None]] = []
        """Called within the write that ends a session, with its id: what hangs on it ends too."""
        tables.join(self._conclude, self)

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def index(self) -> int:
        """The index of the table."""
        return self._last

    def get(self, session_id: str) -> Session | None:
        return self._sessions.get(session_id)

    def all(self) -> list[Session]:
        """Every session, by id."""
        return [self._sessions[key] for key in sorted(self._sessions)]

    def on(self, node: str) -> list[Session]:
        """The sessions of a node, by id."""
        return [self._sessions[key] for key in sorted(self._on_node.get(node.lower(), ()))]

    def create(self, write: Write, session: Session) -> None:
        """Add a session. Raises BadSession; nothing is written then."""
        if not self._catalog.has_node(session.node):
            raise BadSession("Missing node registration")
        for check_id in session.check_ids:
            self._require(session.node, check_id)
        write.put(self, session.id, replace(session, stamp=Stamp(write.index, write.index)))
        write.topics.update((SESSIONS, session_at(session.id)))

    def destroy(self, write: Write, session_id: str, now: float) -> None:
        """End a session, and with it its locks. An unknown one is no change."""
        session = self._sessions.get(session_id)
        if session is None:
            return
        write.put(self, session_id, None)
        write.topics.update((SESSIONS, session_at(session_id)))
        for end in self.ending:
            end(write, session_id)
        until = now + session.lock_delay / 1e9
        self._pairs.release_all(write, session_id, delete=session.behavior is Behavior.DELETE, until=until)

    def ended_by(self, topics: frozenset[Topic]) -> list[str]:
        """The ids of the sessions whose node or checks did not survive a change that concerned `topics`."""
        if not self._on_node:
            return []
        nodes = {name for kind, name in topics if kind in ("node", "node checks")} & self._on_node.keys()
        return [session.id for node in nodes for session in self.on(node) if not self._stands(session)]

    def fallen(self) -> list[str]:
        """The ids of the sessions whose node or checks are gone or critical."""
        return [session.id for session in self._sessions.values() if not self._stands(session)]

    # As a table

    def rows(self) -> Iterable[tuple[str, Session]]:
        return self._sessions.items()

    def place(self, key: str, session: Session | None) -> Session | None:
        before = self._sessions.pop(key, None)
        if before is not None:
            self._forget(before)
        if session is not None:
            self._sessions[key] = session
            self._on_node.setdefault(session.node.lower(), set()).add(key)
        return before

    def _forget(self, session: Session) -> None:
        on_node = self._on_node[session.node.lower()]
        on_node.discard(session.id)
        if not on_node:
            del self._on_node[session.node.lower()]

    def _conclude(self, write: Write) -> None:
        self._last = write.index

    def _stands(self, session: Session) -> bool:
        if not self._catalog.has_node(session.node):
            return False
        checks = [self._catalog.check(session.node, check_id) for check_id in session.check_ids]
        return all(check is not None and check.status != Health.CRITICAL for check in checks)

    def _require(self, node: str, check_id: str) -> None:
        check = self._catalog.check(node, check_id)
        if check is None:
            raise BadSession(f"Missing check '{check_id}' registration")
        if check.status == Health.CRITICAL:
            raise BadSession(f"Check '{check_id}' is in {check.status} state")
