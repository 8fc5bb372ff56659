"""Prometheus finds its targets in the agent, and the agent's own metrics are ones that it can read."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.interop.needed import BINARIES, needed

from muster.testing.servers import end_process, find_server, free_ports

SECONDS = 45.0

CONFIGURATION = """
global: {{ scrape_interval: 1s }}
scrape_configs:
  - job_name: found
    consul_sd_configs:
      - server: {server}
        services: [shop]
        tags: [scraped]
    metrics_path: /v1/agent/metrics
    params: {{ format: [prometheus] }}
    relabel_configs:
      - source_labels: [__meta_consul_service]
        target_label: service
      - source_labels: [__meta_consul_service_metadata_zone]
        target_label: zone
"""


def ask(address: str, path: str, *, method: str = "GET", body: Any = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://{address}{path}", data=data, method=method)
    with urllib.request.urlopen(request, timeout=5) as answer:
        text = answer.read()
    return json.loads(text) if text else None


@contextmanager
def prometheus(server: str, folder: Path) -> Iterator[str]:
    """The address of a Prometheus that looks for its targets at `server`."""
    binary = needed("prometheus", find_server("prometheus", BINARIES), "scripts/servers")
    configuration = folder / "prometheus.yml"
    configuration.write_text(CONFIGURATION.format(server=server))
    address = f"127.0.0.1:{free_ports(1)[0]}"
    told = (f"--config.file={configuration}", f"--storage.tsdb.path={folder}/data", f"--web.listen-address={address}")
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([binary, *told], cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        try:
            yield address
        finally:
            end_process(process, kill=True)


def targets(address: str) -> list[dict[str, Any]]:
    try:
        found: list[dict[str, Any]] = ask(address, "/api/v1/targets?state=active")["data"]["activeTargets"]
    except (urllib.error.URLError, ConnectionError):
        return []
    return found


def until_scraped(address: str, folder: Path, zones: set[str]) -> list[dict[str, Any]]:
    """The targets, once they are of `zones` and were read. Prometheus tells nobody: it is asked again and again."""
    deadline = time.monotonic() + SECONDS
    while True:
        found = targets(address)
        if {each["labels"].get("zone") for each in found if each["health"] == "up"} == zones:
            return found
        assert time.monotonic() < deadline, (found, (folder / "log").read_text())
        time.sleep(0.05)


def register(server: str, zone: str) -> None:
    """An instance that Prometheus reads: the server itself is what answers there."""
    host, _, port = server.rpartition(":")
    shop = {"Name": "shop", "ID": f"shop-{zone}", "Address": host, "Port": int(port), "Tags": ["scraped"]}
    ask(server, "/v1/agent/service/register", method="PUT", body={**shop, "Meta": {"zone": zone}})


def test_targets_come_and_go(muster_agent: Any, tmp_path: Path) -> None:
    server = muster_agent.address
    register(server, "a")
    with prometheus(server, tmp_path) as address:
        (target,) = until_scraped(address, tmp_path, {"a"})
        assert (target["labels"]["service"], target["labels"]["job"]) == ("shop", "found")
        assert target["discoveredLabels"]["__meta_consul_tags"] == ",scraped,"
        register(server, "b")
        until_scraped(address, tmp_path, {"a", "b"})
        ask(server, "/v1/agent/service/deregister/shop-a", method="PUT")
        until_scraped(address, tmp_path, {"b"})
