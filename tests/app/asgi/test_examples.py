"""The examples of ASGI and WSGI applications, as their comments say."""

from __future__ import annotations

import signal
from pathlib import Path

import aiohttp
import pytest
from tests.app.asgi.serving import free_port, server, watched

from muster.agent import Agent

pytestmark = pytest.mark.anyio

EXAMPLES = Path(__file__).parents[3] / "examples"


@pytest.mark.parametrize(
    ("folder", "name", "command", "path"),
    [
        ("fastapi", "orders", "uvicorn --app-dir {folder} app:app --port {port}", "/orders/1"),
        ("django", "pages", "uvicorn --app-dir {folder} pages:application --port {port}", "/"),
        ("flask", "shop", "gunicorn -c {folder}/gunicorn.conf.py --chdir {folder} shop:app", "/items"),
    ],
    ids=["fastapi", "django-asgi", "flask-wsgi"],
)
async def test_it_is_found_and_leaves_before_its_port_closes(
    agent: Agent, folder: str, name: str, command: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    port = free_port()
    monkeypatch.setenv("BIND", f"127.0.0.1:{port}")
    started = command.format(folder=EXAMPLES / folder, port=port).split()
    async with watched(agent, name) as seen, server(agent, *started, runtime=tmp_path) as process:
        (instance,) = await seen.until(1)
        async with aiohttp.ClientSession(f"http://{instance.address}") as session:
            async with session.get(path) as response:
                assert response.status == 200
            process.send_signal(signal.SIGTERM)
            await seen.until(0)
            async with session.get(path) as response:
                assert response.status == 200


async def test_gunicorn_s_master_dies_and_its_registration_goes(
    agent: Agent, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("BIND", f"127.0.0.1:{free_port()}")
    folder = EXAMPLES / "flask"
    command = f"gunicorn -c {folder}/gunicorn.conf.py --chdir {folder} shop:app"
    async with watched(agent, "shop") as seen, server(agent, *command.split(), runtime=tmp_path) as process:
        await seen.until(1)
        process.kill()
        await seen.until(0)
