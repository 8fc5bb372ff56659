"""`muster doctor` as people run it, on a real Consul and on the agent."""

from __future__ import annotations

import json
import urllib.request
from typing import Any

import pytest
from tests.cli.conftest import Command

from muster.testing.servers import ConsulServer


def put(url: str, service: dict[str, Any]) -> None:
    address = f"http://{url.removeprefix('consul://')}/v1/agent/service/register"
    urllib.request.urlopen(urllib.request.Request(address, json.dumps(service).encode(), method="PUT")).close()


@pytest.fixture(params=["agent", "consul"])
def url(request: pytest.FixtureRequest) -> str:
    if request.param == "consul":
        server: ConsulServer = request.getfixturevalue("own_consul")
        return server.url
    registry: str = request.getfixturevalue("registry")
    return registry


def found(muster: Command, url: str, *options: str, **environ: str) -> tuple[int, dict[str, Any]]:
    done = muster("doctor", "--registry", url, "--json", *options, **environ)
    return done.status, {finding["about"]: finding for finding in json.loads(done.out)}


def test_orphans_are_found_and_removed(muster: Command, url: str, free_address: str) -> None:
    port = int(free_address.rpartition(":")[2])
    dead = {"ID": "dead-1", "Name": "dead", "Address": "127.0.0.1", "Port": port, "Meta": {"muster": "1"}}
    put(url, dead)
    put(url, dead | {"ID": "foreign-1", "Port": 1, "Meta": {}})
    put(url, dead | {"ID": "elsewhere-1", "Address": "192.0.2.7"})
    status, findings = found(muster, url)
    assert status == 1
    assert findings["dead-1"]["level"] == findings["foreign-1"]["level"] == "problem"
    assert "elsewhere-1" not in findings
    assert findings["registry"]["level"] == findings["clock"]["level"] == findings["token"]["level"] == "ok"
    status, findings = found(muster, url, "--fix")
    assert (status, findings["dead-1"]["seen"]) == (1, "deregistered")
    status, findings = found(muster, url)
    assert (status, "dead-1" in findings, "foreign-1" in findings) == (1, False, True)


def test_a_system_that_is_well(muster: Command, greeter: str) -> None:
    done = muster("doctor", "--registry", greeter)
    assert (done.status, done.err) == (0, "")
    assert "none with a problem" in done.out
    assert "Python 3" in done.out


def test_nobody_answers(muster: Command, nobody: str) -> None:
    status, findings = found(muster, nobody, http_proxy="http://proxy.example:3128")
    assert status == 1
    assert "connection refused" in findings["registry"]["seen"]
    assert findings["proxies"]["level"] == "warning"


def test_another_registry(muster: Command) -> None:
    status, findings = found(muster, "memory://x")
    assert (status, findings["registry"]["level"]) == (0, "ok")
    assert "only Consul" in findings["registry"]["seen"]
