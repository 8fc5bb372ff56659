"""Sessions as time goes by, on a real loop with times made short."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from muster.agent.catalog.catalog import Catalog
from muster.agent.catalog.rows import CheckRow, NodeRow
from muster.agent.catalog.topics import Topic
from muster.agent.kv.expiry import LivingSessions
from muster.agent.kv.pairs import Pair, Pairs
from muster.agent.kv.sessions import SESSIONS, BadSession, Session, Sessions
from muster.agent.store.tables import Tables
from muster.model.check import Health

pytestmark = pytest.mark.anyio

CHECK = CheckRow(node="n", id="c", name="c", status=Health.PASSING)


class Stage:
    def __init__(self) -> None:
        self.tables = Tables(10, self.wake)
        self.catalog, self.pairs = Catalog(self.tables), Pairs(self.tables)
        self.changed = asyncio.Event()
        self.sessions = LivingSessions(self.tables, Sessions(self.tables, self.catalog, self.pairs))
        with self.tables.write() as write:
            self.catalog.register(write, NodeRow("n", "127.0.0.1"), None, [CHECK])

    def wake(self, topics: Iterable[Topic]) -> None:
        self.sessions.heed(topics)
        if SESSIONS in topics:
            self.changed.set()

    def lock(self, session: str) -> None:
        with self.tables.write() as write:
            assert self.pairs.lock(write, Pair("k", session=session), now=0.0)


async def test_one_that_nobody_renews_ends_and_lets_its_keys_go() -> None:
    stage = Stage()
    async with stage.sessions:
        stage.sessions.create(Session("s", "n", ttl_seconds=0.01))
        stage.changed.clear()
        stage.lock("s")
        await stage.changed.wait()
        assert stage.sessions.table.all() == []
        pair = stage.pairs.get("k")
        assert pair is not None and pair.session == ""


async def test_one_that_is_renewed_lives_on() -> None:
    stage = Stage()
    async with stage.sessions:
        session = Session("s", "n", ttl_seconds=0.1)
        stage.sessions.create(session)
        stage.changed.clear()
        started = asyncio.get_running_loop().time()
        while asyncio.get_running_loop().time() < started + 0.4:
            stage.sessions.renew(session)
            await asyncio.sleep(0.01)
        assert not stage.changed.is_set()


@pytest.mark.parametrize("end", ["critical", "removed", "node"])
async def test_one_ends_with_its_checks_and_its_node(end: str) -> None:
    stage = Stage()
    async with stage.sessions:
        stage.sessions.create(Session("s", "n", node_checks=("c",)))
        stage.sessions.create(Session("free", "n"))
        with stage.tables.write() as write:
            if end == "critical":
                stage.catalog.register(write, None, None, [CheckRow("n", "c", "c", Health.CRITICAL)])
            elif end == "removed":
                stage.catalog.deregister_check(write, "n", "c")
            else:
                stage.catalog.deregister_node(write, "n")
        left = [session.id for session in stage.sessions.table.all()]
        assert left == ([] if end == "node" else ["free"])


async def test_one_needs_its_node_and_its_checks() -> None:
    sessions = Stage().sessions
    for session in (Session("s", "elsewhere"), Session("s", "n", node_checks=("none",))):
        with pytest.raises(BadSession, match="Missing"):
            sessions.create(session)
