"""curl, as people type it. Libraries are in tests/interop."""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess

import pytest
from tests.interop.needed import needed

from muster.agent import Agent

pytestmark = pytest.mark.anyio


async def test_curl(agent: Agent) -> None:
    needed("curl", shutil.which("curl"), "your system's package manager")

    async def curl(*arguments: str) -> str:
        command = ["curl", "--silent", "--show-error", "--max-time", "10", *arguments]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        return str(done.stdout)

    base = f"http://{agent.address}/v1"
    assert await curl("-X", "PUT", "-d", '{"Name":"web"}', f"{base}/agent/service/register") == ""
    assert json.loads(await curl("--compressed", f"{base}/catalog/services")) == {"consul": [], "web": []}
    assert "\n    " in await curl(f"{base}/agent/self?pretty")
    head = await curl("-i", "-X", "POST", f"{base}/agent/services")
    assert "405 Method Not Allowed" in head and "Allow: OPTIONS,GET" in head
    assert "301" in await curl("-i", f"{base}//catalog/services")
    assert json.loads(await curl("-L", f"{base}//catalog/services")) == {"consul": [], "web": []}
