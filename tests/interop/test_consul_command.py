"""Consul's own command line, as people type it, and the way from the agent to a real Consul by it."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from muster.testing import RunningAgent
from muster.testing.servers import ConsulServer

SECONDS = 60.0

Run = Callable[..., str]


@pytest.fixture
def consul(consul_binary: str) -> Run:
    """`consul(server, "kv", "get", ...)`: what it prints. It has to succeed."""

    def run(server: str, *arguments: str, given: str = "") -> str:
        done = subprocess.run(
            [consul_binary, *arguments],
            env={"CONSUL_HTTP_ADDR": server, "PATH": "/usr/bin:/bin"},
            input=given,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert done.returncode == 0, (arguments, done.stdout + done.stderr)
        return done.stdout

    return run


def test_what_people_type(server: str, consul: Run, tmp_path: Path) -> None:
    assert "alive   server" in consul(server, "members")
    assert "leader  true" in consul(server, "operator", "raft", "list-peers")
    assert "ServerStabilizationTime = 10s" in consul(server, "operator", "autopilot", "get-config")
    assert "version = 1.8.7" in consul(server, "info")
    assert consul(server, "catalog", "datacenters") == "dc1\n"
    assert "Event ID: " in consul(server, "event", "-name=deploy", "v2")
    definition = tmp_path / "web.json"
    definition.write_text(json.dumps({"service": {"name": "web", "port": 80, "check": {"ttl": "10s"}}}))
    consul(server, "services", "register", str(definition))
    assert consul(server, "catalog", "services").split() == ["consul", "web"]
    consul(server, "maint", "-enable", "-reason=new disk")
    assert "new disk" in consul(server, "maint")
    consul(server, "maint", "-disable")
    consul(server, "services", "deregister", "-id=web")
    assert consul(server, "lock", "a/lock", "echo", "held").splitlines()[0] == "held"
    consul(server, "config", "write", "-", given='{"Kind": "service-defaults", "Name": "web", "Protocol": "http"}')
    assert consul(server, "config", "list", "-kind", "service-defaults") == "web\n"
    consul(server, "config", "delete", "-kind", "service-defaults", "-name", "web")


def test_keys_move_to_a_real_consul(muster_agent: RunningAgent, own_consul: ConsulServer, consul: Run) -> None:
    for key, value in (("a/b", "1"), ("a/empty", ""), ("é", "ü")):
        consul(muster_agent.address, "kv", "put", "-flags=7", key, value)
    consul(own_consul.address, "kv", "import", "-", given=consul(muster_agent.address, "kv", "export"))

    def kept(server: str) -> Any:
        return json.loads(consul(server, "kv", "export"))

    assert kept(own_consul.address) == kept(muster_agent.address)
    assert len(kept(own_consul.address)) == 3
