"""The address of a program that knows nothing of muster: the rules are the same."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from pathlib import Path

import pytest

from muster.testing.scripted import Received, Scripted, Step, answer

pytestmark = pytest.mark.anyio

MEMBERS = [{"Name": f"n{number}", "Addr": f"10.0.0.{number}", "Status": 1} for number in (1, 2, 3)]


def one_of_three(received: Received) -> Step:
    """An agent on this machine that belongs to a cluster, and takes what is registered."""
    return answer(json.dumps(MEMBERS)) if received.path == "/v1/agent/members" else answer()


async def registered(agent: Scripted, mark: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """A program that leaves a mark when it is started, and ends."""
    command = ["-m", "muster", "register", "marker", "--port", "65533", *options]
    program = ["--registry", f"consul://{agent.address}", "--", "touch", str(mark)]
    return await asyncio.to_thread(
        subprocess.run, [sys.executable, *command, *program], capture_output=True, text=True, timeout=30
    )


async def test_loopback_is_refused_where_the_agent_belongs_to_a_cluster(tmp_path: Path) -> None:
    async with Scripted(one_of_three) as agent:
        done = await registered(agent, tmp_path / "mark")
    assert done.returncode == 1
    assert "shares its registry with 2 other machines" in done.stderr
    assert "MUSTER_ADVERTISE" in done.stderr
    assert not (tmp_path / "mark").exists(), "it must not be started either"


async def test_what_is_advertised_is_taken_at_its_word(tmp_path: Path) -> None:
    async with Scripted(one_of_three) as agent:
        await registered(agent, tmp_path / "mark", "--advertise", "127.0.0.1")
    assert (tmp_path / "mark").exists()
