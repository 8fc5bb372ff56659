"""One wrapped application under each ASGI server, as a process: it registers, and leaves before its port closes."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import aiohttp
import pytest
from tests.app.asgi.serving import free_port, server, watched

from muster.agent import Agent
from muster.rpc.identity import METADATA

pytestmark = pytest.mark.anyio

SERVERS = {
    "uvicorn": "uvicorn orders:app --port {port}",
    "hypercorn": "hypercorn orders:app --bind 127.0.0.1:{port} --workers 0",
    "hypercorn-workers": "hypercorn orders:app --bind 127.0.0.1:{port} --workers 2",
    "granian": "granian orders:app --interface asgi --port {port}",
    "gunicorn-uvicorn": "gunicorn orders:app -k uvicorn_worker.UvicornWorker -w 2 -b 127.0.0.1:{port}",
    "gunicorn-asgi": "gunicorn orders:app -k asgi -b 127.0.0.1:{port}",
}


@pytest.mark.parametrize("command", SERVERS.values(), ids=SERVERS.keys())
async def test_it_leaves_the_registry_first_and_finishes_what_is_in_flight(
    agent: Agent, command: str, tmp_path: Path
) -> None:
    port = free_port()
    async with (
        watched(agent, "orders") as seen,
        server(agent, *command.format(port=port).split(), runtime=tmp_path) as process,
        aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session,
    ):
        (instance,) = await seen.until(1)
        assert (instance.port, instance.metadata[METADATA]) == (port, "/health")
        async with session.get(f"/health/{instance.id}") as response:
            assert (response.status, response.headers["Muster-Instance"]) == (200, instance.id)
        async with asyncio.TaskGroup() as tasks:
            slow = tasks.create_task(status(session, "/slow"))
            await asyncio.sleep(0)
            async with session.get("/") as response:
                assert response.status == 200
            process.send_signal(signal.SIGTERM)
            await seen.until(0)
            async with session.get("/") as response:
                assert (response.status, response.headers["Connection"].lower()) == (200, "close")
            assert (await slow) == 200
        async with asyncio.timeout(30):
            assert await process.wait() in (0, -signal.SIGTERM)


async def status(session: aiohttp.ClientSession, path: str) -> int:
    async with session.get(path) as response:
        await response.read()
        return response.status


async def test_ctrl_c_is_taken_first_too(agent: Agent, tmp_path: Path) -> None:
    command = f"uvicorn orders:app --port {free_port()}"
    async with watched(agent, "orders") as seen, server(agent, *command.split(), runtime=tmp_path) as process:
        (instance,) = await seen.until(1)
        process.send_signal(signal.SIGINT)
        await seen.until(0)
        async with aiohttp.ClientSession() as session:
            assert await status(session, f"http://{instance.address}/") == 200
