"""Clients as their users run them, unmodified: curl, and the Python package that is installed as `consul`.

python-consul and py-consul share that name, so only one of the two can be installed at a time; both pass.
"""

from __future__ import annotations

import asyncio
import json
import shutil
import subprocess
from typing import Any

import consul
import pytest

from muster.agent import Agent

pytestmark = pytest.mark.anyio


async def test_a_python_client(agent: Agent) -> None:
    await asyncio.to_thread(use_python_client, int(agent.address.rpartition(":")[2]))


def use_python_client(port: int) -> None:
    client: Any = consul.Consul(port=port)
    try:
        check = consul.Check.ttl("10s")
        assert client.agent.service.register("web", service_id="web-1", address="127.0.0.1", port=80, check=check)
        index, (entry,) = client.health.service("web")
        assert entry["Service"]["Address"] == "127.0.0.1"
        assert client.health.service("web", passing=True)[1] == []
        assert client.agent.check.ttl_pass("service:web-1", "fine")
        later, _ = client.health.service("web", index=index, wait="10s")
        assert int(later) > int(index)
        assert len(client.health.service("web", passing=True)[1]) == 1
        assert set(client.catalog.services()[1]) == {"consul", "web"}
        assert client.catalog.datacenters() == ["dc1"]
        assert client.agent.self()["Config"]["NodeName"] == client.catalog.nodes()[1][0]["Node"]
        assert client.status.peers() == [client.status.leader()]
        assert client.agent.service.maintenance("web-1", "true", "why")
        assert client.health.service("web", passing=True)[1] == []
        assert client.agent.service.deregister("web-1")
        assert client.agent.services() == {}
    finally:
        client.http.session.close()


@pytest.mark.skipif(shutil.which("curl") is None, reason="no curl")
async def test_curl(agent: Agent) -> None:
    async def curl(*arguments: str) -> str:
        command = ["curl", "--silent", "--show-error", "--max-time", "10", *arguments]
        done = await asyncio.to_thread(subprocess.run, command, capture_output=True, text=True, check=True)
        return str(done.stdout)

    base = f"http://{agent.address}/v1"
    assert await curl("-X", "PUT", "-d", '{"Name":"web"}', f"{base}/agent/service/register") == ""
    assert json.loads(await curl("--compressed", f"{base}/catalog/services")) == {"consul": [], "web": []}
    assert "\n    " in await curl(f"{base}/agent/self?pretty")
    head = await curl("-i", "-X", "POST", f"{base}/agent/services")
    assert "405 Method Not Allowed" in head and "allow: OPTIONS,GET" in head
    assert "301" in await curl("-i", f"{base}//catalog/services")
    assert json.loads(await curl("-L", f"{base}//catalog/services")) == {"consul": [], "web": []}
