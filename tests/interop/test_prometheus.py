"""Prometheus finds its targets, by its own consul_sd_configs, and reads the agent's metrics.

Its discovery and its reader of metrics are built from its own code (go/prometheus): Debian's binary is built without
the first, and to build the whole of it would take longer than all of these tests.
"""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any

from tests.interop.needed import CLIENTS, needed

from muster.testing import RunningAgent
from muster.testing.servers import end_process


def put(server: str, path: str, body: Any = None) -> None:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{server}{path}", data=data, method="PUT")
    with urllib.request.urlopen(request, timeout=30):
        pass


def register(server: str, zone: str, tag: str = "scraped") -> None:
    shop = {"Name": "shop", "ID": f"shop-{zone}", "Address": "10.0.0.1", "Port": 80, "Tags": [tag]}
    put(server, "/v1/agent/service/register", {**shop, "Meta": {"zone": zone}})


@contextmanager
def discovery(server: str, folder: Path) -> Iterator[IO[str]]:
    """The changes of the targets that Prometheus finds at `server`, one a line."""
    binary = needed("Prometheus's discovery", CLIENTS / "go" / "prometheus", "scripts/clients")
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [binary, server], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=log, text=True
        )
    assert process.stdout is not None
    with process.stdout:
        try:
            yield process.stdout
        finally:
            end_process(process, kill=True)


def until(changes: IO[str], zones: set[str]) -> list[dict[str, str]]:
    """The targets once they are of `zones`; the test's own timeout is the deadline."""
    for line in changes:
        targets: list[dict[str, str]] = json.loads(line)
        if {target["__meta_consul_service_metadata_zone"] for target in targets} == zones:
            return targets
    raise AssertionError("the discovery ended")


def test_targets_come_and_go(server: str, tmp_path: Path) -> None:
    register(server, "a")
    register(server, "untagged", tag="other")
    with discovery(server, tmp_path) as changes:
        (target,) = until(changes, {"a"})
        assert (target["__address__"], target["__meta_consul_service"]) == ("10.0.0.1:80", "shop")
        assert (target["__meta_consul_tags"], target["__meta_consul_health"]) == (",scraped,", "passing")
        register(server, "b")
        until(changes, {"a", "b"})
        put(server, "/v1/agent/service/deregister/shop-a")
        until(changes, {"b"})


def test_the_agents_metrics_can_be_read(muster_agent: RunningAgent) -> None:
    """A real Consul has to be configured for that."""
    binary = needed("Prometheus's reader", CLIENTS / "go" / "prometheus", "scripts/clients")
    done = subprocess.run([binary, muster_agent.address, "metrics"], capture_output=True, text=True, timeout=60)
    assert int(done.stdout) >= 7, done.stderr
