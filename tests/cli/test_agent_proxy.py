"""`muster agent --proxy`, before an agent and under clients that are processes of their own."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest

Command = Any
"""The Command of conftest.py, which cannot be imported."""


def register(address: str, name: str) -> None:
    body = json.dumps({"Name": name, "ID": f"{name}-1", "Address": "127.0.0.1", "Port": 9000}).encode()
    request = urllib.request.Request(f"http://{address}/v1/agent/service/register", data=body, method="PUT")
    with urllib.request.urlopen(request, timeout=30):
        pass


def test_clients_read_and_write_through_it(muster: Command) -> None:
    with muster.staying("agent", "--http", "127.0.0.1:0", "--json") as agent:
        url = json.loads(agent.line())["url"]
        with muster.staying("agent", "--proxy", url, "--http", "127.0.0.1:0", "--json") as proxy:
            running = json.loads(proxy.line())
            with muster.staying("watch", "greeter", "--registry", running["url"], "--json") as watching:
                assert json.loads(watching.line())["state"] == "absent"
                register(running["address"], "greeter")
                assert json.loads(watching.line())["instances"][0]["id"] == "greeter-1"
            found = muster("instances", "greeter", "--registry", url, "--json")
            assert "greeter-1" in found.out
            assert proxy.end() == 0
        agent.end()


def test_it_starts_before_its_agent_and_says_what_is_wrong_to_who_asks(muster: Command, nobody: str) -> None:
    with muster.staying("agent", "--proxy", nobody, "--http", "127.0.0.1:0") as proxy:
        url = proxy.line().split()[2]
        done = muster("instances", "greeter", "--registry", url)
        assert done.status == 1
        assert "muster proxy: Consul at 127.0.0.1:1: connection refused" in done.error
        proxy.end()


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (("--proxy", "memory://x"), "unknown scheme 'memory'"),
        (("--proxy", "consul://a,b"), "a proxy stands before one agent"),
        (("--proxy", "127.0.0.1:8500"), "no registry URL"),
        (("--proxy", "consul://127.0.0.1:8500", "--node", "x"), "leave them out"),
    ],
)
def test_what_it_cannot_stand_before(muster: Command, arguments: tuple[str, ...], text: str) -> None:
    done = muster("agent", "--http", "127.0.0.1:0", *arguments)
    assert done.status == 1
    assert text in done.error
