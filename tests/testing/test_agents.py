"""The agent that tests are given: empty, alone, soon there and gone; in pytest too, whatever plugins there are."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
import urllib.request
from pathlib import Path
from typing import Any

import pytest

import muster
import muster.testing
from muster.agent import Agent
from muster.model.errors import BadConfiguration
from muster.testing import RunningAgent

A_USERS_TESTS = """
import asyncio
import json
import urllib.request

import pytest

import muster.testing


def ask(address, method, path, body=None):
    request = urllib.request.Request(f"http://{address}{path}", data=body, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return answer.read()


@pytest.mark.parametrize("number", range(6))
def test_every_test_has_its_own(muster_agent, number):
    assert json.loads(ask(muster_agent.address, "GET", "/v1/catalog/services")) == {"consul": []}
    ask(muster_agent.address, "PUT", "/v1/agent/service/register", b'{"Name": "web"}')
    assert set(json.loads(ask(muster_agent.address, "GET", "/v1/catalog/services"))) == {"consul", "web"}
"""

ASYNC_TOO = """

@pytest.mark.anyio
async def test_in_async_code(muster_agent, anyio_backend_name):
    if anyio_backend_name == "asyncio":
        async with muster.testing.agent() as another:
            assert another.address != muster_agent.address
        assert await asyncio.to_thread(ask, muster_agent.address, "GET", "/v1/agent/services") == b"{}"
"""


def ask(address: str, path: str) -> Any:
    with urllib.request.urlopen(f"http://{address}{path}", timeout=30) as answer:
        return json.load(answer)


@pytest.mark.anyio
async def test_on_the_tests_own_loop() -> None:
    async with muster.testing.agent() as first, muster.testing.agent() as second:
        assert isinstance(first, Agent) and first.address != second.address
        async with muster.Client(registry=first.url) as client:
            assert set(await client.names()) == {"consul"}


def test_on_a_thread_of_its_own() -> None:
    before = threading.active_count()
    with muster.testing.agent_in_thread() as agent:
        assert agent.url == f"consul://{agent.address}"
        assert ask(agent.address, "/v1/status/peers") == [agent.address]
    assert threading.active_count() == before
    with pytest.raises(OSError, match="refused"):
        ask(agent.address, "/v1/status/peers")


def test_it_ends_with_clients_that_wait_and_those_that_idle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("muster.agent.agent._GRACE", 600.0)
    host, port = "127.0.0.1", 0
    with muster.testing.agent_in_thread() as agent:
        host, _, port_ = agent.address.rpartition(":")
        port = int(port_)
        waiting = urllib.request.Request(f"http://{host}:{port}/v1/catalog/nodes?index={2**60}")
        thread = threading.Thread(target=lambda: urllib.request.urlopen(waiting, timeout=30).close())
        thread.start()
        while ask(agent.address, "/v1/agent/metrics")["Gauges"][3]["Value"] == 0:
            time.sleep(0.001)
    thread.join()


def test_a_start_that_fails_is_raised(monkeypatch: pytest.MonkeyPatch) -> None:
    with muster.testing.agent_in_thread() as agent:
        monkeypatch.setattr("muster.testing.agents._ANYWHERE", agent.address)
        with pytest.raises(BadConfiguration, match="choose another port"), muster.testing.agent_in_thread():
            pass


def test_it_is_there_in_tens_of_milliseconds(muster_agent: RunningAgent) -> None:
    """About one here, once the modules are loaded, which the fixture has done. Of the processor's time, since machines
    that run tests have other things to do; that nothing is waited for shows in the clock's."""
    used, took = [], []
    for _ in range(5):
        begun, clock = time.process_time(), time.perf_counter()
        with muster.testing.agent_in_thread() as agent:
            used.append(time.process_time() - begun)
            took.append(time.perf_counter() - clock)
            assert agent.address != muster_agent.address
    assert min(used) < 0.05 and min(took) < 0.5


@pytest.mark.parametrize(
    ("options", "tests", "passed"),
    [
        (("-p", "no:anyio", "-p", "no:xdist"), A_USERS_TESTS, "6 passed"),
        (("-n", "2"), A_USERS_TESTS + ASYNC_TOO, "7 passed"),
    ],
    ids=["no other plugin", "in parallel, and async"],
)
def test_the_fixture(tmp_path: Path, options: tuple[str, ...], tests: str, passed: str) -> None:
    (tmp_path / "test_it.py").write_text(tests)
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTEST_")}
    command = [sys.executable, "-m", "pytest", "-q", "-W", "error", "-k", "not trio", *options, str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, env=environ, capture_output=True, text=True, timeout=60)
    assert (done.returncode, passed in done.stdout) == (0, True), done.stdout + done.stderr


def test_pytest_loads_nothing_heavy_for_it() -> None:
    program = "import sys, muster.testing.plugin\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert {"asyncio", "msgspec", "uvicorn", "grpc", "aiohttp"}.isdisjoint(done.stdout.split())
