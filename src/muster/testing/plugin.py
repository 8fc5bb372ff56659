"""What pytest loads where muster is installed: the fixture `muster_agent`."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from muster.testing.agents import RunningAgent, agent_in_thread


@pytest.fixture
def muster_agent() -> Iterator[RunningAgent]:
    """A registry of this test alone that speaks Consul's HTTP API; `.url` and `.address` say where."""
    with agent_in_thread() as agent:
        yield agent
