"""Real servers as child processes, on free loopback ports, ended by their process id."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

START_SECONDS = 30.0
STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02
_QUICK = "performance { raft_multiplier = 1 }"
"""A lone server elects itself within some 3 s in place of 10."""


def find_server(name: str, *folders: Path) -> str | None:
    """The path of the program `name` in PATH or, failing that, in one of `folders`; None where it is absent."""
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), *map(str, folders)])
    return shutil.which(name, path=path)


def free_ports(count: int) -> list[int]:
    """Ports of 127.0.0.1 that nobody listens on. Another process may take one meanwhile: be ready to try again."""
    sockets = [socket.socket() for _ in range(count)]
    try:
        for each in sockets:
            each.bind(("127.0.0.1", 0))
        return [each.getsockname()[1] for each in sockets]
    finally:
        for each in sockets:
            each.close()


class ConsulServer:
    """A `consul agent -dev` of its own: `with ConsulServer(binary) as consul: consul.url`.

    It keeps nothing on disk, so that `restart` is also how an agent that lost its state looks; with `data`, a folder,
    it keeps there all that it knows. The ports stay the same over a restart. Blocks while starting and stopping; not
    for several threads.
    """

    def __init__(self, binary: str, *arguments: str, data: Path | None = None) -> None:
        """`arguments` are further ones for `consul agent`, such as "-hcl", 'acl { enabled = true }'. It has no port
        for other datacenters, and none for DNS, unless they say `-serf-wan-port` or `-dns-port`."""
        kind = ["-dev"] if data is None else ["-server", "-bootstrap", f"-data-dir={data}", "-hcl", _QUICK]
        self._command = [binary, "agent", *kind, "-bind=127.0.0.1", "-serf-wan-port=-1"]
        self._arguments = arguments
        self._ports = free_ports(3)
        self._process: subprocess.Popen[bytes] | None = None
        self._log: IO[bytes] | None = None

    @property
    def address(self) -> str:
        """`127.0.0.1:PORT` of the HTTP API."""
        return f"127.0.0.1:{self._ports[0]}"

    @property
    def url(self) -> str:
        """The registry URL, `consul://127.0.0.1:PORT`."""
        return f"consul://{self.address}"

    @property
    def pid(self) -> int | None:
        """The process id, or None while it does not run."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        """Start it and wait until it has a leader and knows its own node. Raises RuntimeError with its last words."""
        try:
            self._launch(tries=3)
            _wait(self._ready, self._died, f"consul at {self.address} did not become ready")
        except BaseException:
            self.kill()
            raise

    def stop(self) -> None:
        """SIGTERM: it leaves in order. Fine where it does not run."""
        self._end(kill=False)

    def kill(self) -> None:
        """SIGKILL: connections break. Fine where it does not run."""
        self._end(kill=True)

    def restart(self) -> None:
        """Kill it and start it anew on the same ports, with nothing registered."""
        self.kill()
        self.start()

    def ask(self, path: str, *, method: str = "GET", body: object = None, token: str = "") -> Any:
        """One request to its HTTP API, answered with decoded JSON; for looking behind the back of what is tested."""
        data = None if body is None else json.dumps(body).encode()
        headers = {"X-Consul-Token": token} if token else {}
        request = urllib.request.Request(f"http://{self.address}{path}", data=data, method=method, headers=headers)
        with urllib.request.urlopen(request, timeout=5) as response:
            text = response.read()
        return json.loads(text) if text else None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.kill()  # it has nothing to save, and leaving in order takes it half a second

    def _launch(self, tries: int) -> None:
        command = [*self._command, *_port_arguments(self._ports), *self._arguments]
        log = self._log = tempfile.TemporaryFile()  # noqa: SIM115  it lives as long as the process
        self._process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        if tries > 1 and self._port_was_taken():
            self._ports = free_ports(3)
            self._end(kill=True)
            self._launch(tries - 1)

    def _port_was_taken(self) -> bool:
        """True where it ended at once because another process took a port between our look and its bind."""
        _wait(self._listens_or_died, lambda: None, f"consul at {self.address} did not listen")
        return self._died() is not None and b"address already in use" in self._words()

    def _listens_or_died(self) -> bool:
        with socket.socket() as probe:
            return self._died() is not None or probe.connect_ex(("127.0.0.1", self._ports[0])) == 0

    def _ready(self) -> bool:
        try:
            return bool(self.ask("/v1/status/leader")) and self._knows_itself()
        except (OSError, ValueError):
            return False

    def _knows_itself(self) -> bool:
        try:
            return bool(self.ask("/v1/agent/self")) and bool(self.ask("/v1/health/state/passing"))
        except urllib.error.HTTPError as error:
            return error.code == 403

    def _died(self) -> str | None:
        if self._process is None or self._process.poll() is None:
            return None
        return f"it ended with {self._process.returncode}: {self._words()[-2000:].decode(errors='replace')}"

    def _words(self) -> bytes:
        assert self._log is not None
        self._log.seek(0)
        return self._log.read()

    def _end(self, *, kill: bool) -> None:
        process, self._process = self._process, None
        log, self._log = self._log, None
        if process is not None:
            end_process(process, kill=kill)
        if log is not None:
            log.close()


def end_process(process: subprocess.Popen[bytes], *, kill: bool = False) -> None:
    """End a child: SIGTERM, or SIGKILL where `kill` or where it did not end within STOP_SECONDS."""
    if kill:
        process.kill()
    else:
        process.terminate()
    try:
        process.wait(STOP_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait(STOP_SECONDS)


def _port_arguments(ports: Sequence[int]) -> list[str]:
    http, serf, server = ports
    off = ["-dns-port=-1", "-grpc-port=-1"]
    return [f"-http-port={http}", f"-serf-lan-port={serf}", f"-server-port={server}", *off]


def _wait(ready: Callable[[], bool], died: Callable[[], str | None], what: str) -> None:
    deadline = time.monotonic() + START_SECONDS
    while not ready():
        if words := died():
            raise RuntimeError(f"{what}: {words}")
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} within {START_SECONDS:.0f} s")
        time.sleep(_POLL_SECONDS)
