"""consul-template renders what is registered and kept, and renders it again when that changes."""

from __future__ import annotations

import json
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.interop.needed import CLIENTS, needed

from muster.testing.servers import end_process

SECONDS = 60.0
TEMPLATE = """\
{{ range service "web" }}web {{ .Address }}:{{ .Port }}
{{ end }}{{ range services }}{{ if ne .Name "consul" }}service {{ .Name }}
{{ end }}{{ end }}{{ range nodes }}node {{ .Address }}
{{ end }}{{ range ls "site" }}{{ .Key }} is {{ .Value }}
{{ end }}title {{ key "site/title" }} colour {{ keyOrDefault "colour" "none" }}
"""


def put(server: str, path: str, body: Any) -> None:
    data = body if isinstance(body, bytes) else json.dumps(body).encode()
    with urllib.request.urlopen(urllib.request.Request(f"http://{server}{path}", data, method="PUT"), timeout=10):
        pass


@contextmanager
def rendering(server: str, folder: Path) -> Iterator[Path]:
    """The file that is rendered again and again."""
    binary = needed("consul-template", CLIENTS / "go" / "consul-template", "scripts/clients")
    template, rendered = folder / "in.tpl", folder / "out"
    template.write_text(TEMPLATE)
    command = [binary, "-consul-addr", server, "-template", f"{template}:{rendered}", "-log-level", "info"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield rendered
    finally:
        end_process(process, kill=True)


def until(rendered: Path, expected: list[str]) -> None:
    deadline = time.monotonic() + SECONDS
    while not rendered.exists() or rendered.read_text().splitlines() != expected:
        assert time.monotonic() < deadline, rendered.read_text() if rendered.exists() else "nothing was rendered"
        time.sleep(0.02)


def test_what_changes_is_rendered_again(server: str, tmp_path: Path) -> None:
    register = "/v1/agent/service/register"
    put(server, "/v1/kv/site/title", b"shop")
    put(server, register, {"Name": "web", "ID": "a", "Address": "10.0.0.1", "Port": 80})
    service, node = "service web", "node 127.0.0.1"
    with rendering(server, tmp_path) as rendered:
        until(rendered, ["web 10.0.0.1:80", service, node, "title is shop", "title shop colour none"])
        put(server, register, {"Name": "web", "ID": "b", "Address": "10.0.0.2", "Port": 81})
        both = ["web 10.0.0.1:80", "web 10.0.0.2:81"]
        until(rendered, [*both, service, node, "title is shop", "title shop colour none"])
        put(server, "/v1/kv/colour", b"red")
        until(rendered, [*both, service, node, "title is shop", "title shop colour red"])
        put(server, register, {"Name": "web", "ID": "a", "Check": {"TTL": "1h", "Status": "critical"}})
        until(rendered, ["web 10.0.0.2:81", service, node, "title is shop", "title shop colour red"])
