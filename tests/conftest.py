"""Fixtures for every test: the loop, a real Consul, an embedded agent, and the leak check."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from hypothesis import settings

from muster.testing.leaks import children, end_child, tasks_left
from muster.testing.servers import ConsulServer, find_server

if TYPE_CHECKING:
    from muster.agent import Agent

REPOSITORY = Path(__file__).parent.parent

settings.register_profile("muster", deadline=None)  # how long an example takes says what else the machine does
settings.load_profile("muster")
_of_the_session: set[int] = set()
"""Child processes that outlive a test on purpose."""


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def consul_binary() -> str:
    """The path of a real consul; skips where there is none, fails where MUSTER_REQUIRE_SERVERS=1 says it must be."""
    binary = find_server("consul", REPOSITORY / ".servers" / "bin")
    if binary is None:
        missing = "no consul in PATH or .servers/bin: run scripts/servers"
        if os.environ.get("MUSTER_REQUIRE_SERVERS") == "1":
            pytest.fail(missing)
        pytest.skip(missing)
    return binary


@pytest.fixture(scope="session")
def consul_server(consul_binary: str) -> Iterator[str]:
    """The registry URL of a real Consul that all tests share: use names of your own in it."""
    with ConsulServer(consul_binary) as server:
        assert server.pid is not None
        _of_the_session.add(server.pid)
        yield server.url


@pytest.fixture
def own_consul(consul_binary: str) -> Iterator[ConsulServer]:
    """A real Consul for this test alone, running; it may be killed, stopped and restarted on the same port."""
    with ConsulServer(consul_binary) as server:
        yield server


@pytest.fixture
async def agent() -> AsyncIterator[Agent]:
    """An embedded agent in this process; `.url` is its registry URL."""
    from muster.agent import Agent

    async with Agent(http="127.0.0.1:0") as running:
        yield running


@pytest.fixture(autouse=True)
def nothing_left_behind(request: pytest.FixtureRequest) -> Iterator[None]:
    """Fails a test that leaves a task or a child process behind, and ends the child."""
    if "anyio_backend" in request.fixturenames:
        request.getfixturevalue("no_tasks_left_behind")
    before = children()
    yield
    left = children() - before - _of_the_session
    for pid in left:
        end_child(pid)
    assert not left, f"the test left child processes behind: {sorted(left)}"


@pytest.fixture
async def no_tasks_left_behind() -> AsyncIterator[None]:
    before = asyncio.all_tasks()
    yield
    left = await tasks_left(before)
    for task in left:
        task.cancel()
    assert not left, f"the test left tasks behind: {left}"
