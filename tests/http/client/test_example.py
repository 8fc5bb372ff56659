"""examples/http runs as it stands there."""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[3] / "examples" / "http"


async def test_the_service_is_called_with_each_library(agent: Any) -> None:
    environment = os.environ | {"MUSTER_REGISTRY": agent.url}
    pipe = asyncio.subprocess.PIPE
    web = await asyncio.create_subprocess_exec(sys.executable, EXAMPLE / "web.py", env=environment, stdout=pipe)
    try:
        assert web.stdout is not None
        assert b" at 127.0.0.1:" in await web.stdout.readline()
        command = (sys.executable, "-W", "error", EXAMPLE / "client.py", "reader")
        client = await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe)
        told, _ = await client.communicate()
    finally:
        web.terminate()
        assert await web.wait() == 0
    assert told.decode().splitlines() == [
        "aiohttp: Hello reader",
        "httpx: Hello reader",
        "requests: Hello reader",
    ]
