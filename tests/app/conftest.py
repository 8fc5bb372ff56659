"""An agent and two greeters in processes of their own, for tests of programs that are processes themselves."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SECONDS = 60.0


@dataclass
class Program:
    """A process, and what it has written so far. It leads a group of its own, which ends with it."""

    popen: subprocess.Popen[bytes]
    log: Path

    def until(self, pattern: str) -> re.Match[str]:
        """What it has written that matches, once it has."""
        end = time.monotonic() + SECONDS
        while (found := re.search(pattern, self.log.read_text())) is None:
            assert self.popen.poll() is None, f"it has ended:\n{self.log.read_text()}"
            assert time.monotonic() < end, f"no {pattern!r} in:\n{self.log.read_text()}"
            time.sleep(0.02)
        return found

    def end(self) -> None:
        """By force, and whatever it has started with it. May be called again."""
        try:
            os.killpg(self.popen.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # nobody is left
        self.popen.wait()
        print(f"--- {' '.join(map(str, self.popen.args))}\n{self.log.read_text()}")  # shown where the test fails


@dataclass
class Fleet:
    """Programs in one environment."""

    directory: Path
    stack: ExitStack
    environ: dict[str, str]
    _started: list[Program] = field(default_factory=list)

    def start(self, *command: str, cwd: Path | None = None, **environ: str) -> Program:
        log = self.directory / f"{len(self._started)}.log"
        with log.open("wb") as out:
            popen = subprocess.Popen(
                [sys.executable, *command],
                cwd=cwd or self.directory,
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        program = Program(popen, log)
        self._started.append(program)
        self.stack.callback(program.end)
        return program

    def run(self, *command: str, cwd: Path | None = None, **environ: str) -> str:
        """What a program writes that ends by itself, with success."""
        status, out = self.attempt(*command, cwd=cwd, **environ)
        assert status == 0, out
        return out

    def attempt(self, *command: str, cwd: Path | None = None, **environ: str) -> tuple[int, str]:
        """How a program ends, and what it writes; the status is -SIGKILL for one that does not end by itself."""
        program = subprocess.Popen(
            [sys.executable, *command],
            cwd=cwd or self.directory,
            env=self.environ | environ,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
        try:
            out, _ = program.communicate(timeout=2 * SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(program.pid, signal.SIGKILL)
            out, _ = program.communicate()
        return program.returncode, out


def environment() -> dict[str, str]:
    """Nothing of the test machine's environment that the programs would heed."""
    heeded = ("MUSTER_", "CONSUL_", "MICRO_", "GRPC_ENABLE_FORK_SUPPORT")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(heeded)}
    return environ | {"PYTHONPATH": str(EXAMPLES / "greeter"), "PYTHONUNBUFFERED": "1"}


@pytest.fixture(scope="module")
def registry_with_greeters(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of programs that use them."""
    with ExitStack() as stack:
        fleet = Fleet(tmp_path_factory.mktemp("fleet"), stack, environment())
        address = fleet.start("-m", "muster", "agent", "--http", "127.0.0.1:0").until(r"127\.0\.0\.1:\d+")[0]
        fleet.environ |= {"MUSTER_REGISTRY": f"consul://{address}", "CONSUL_HTTP_ADDR": address}
        greeters = [fleet.start("server.py", cwd=EXAMPLES / "greeter") for _ in range(2)]
        for greeter in greeters:
            greeter.until("is ready")
        yield fleet.environ


@pytest.fixture
def fleet(registry_with_greeters: dict[str, str], tmp_path: Path) -> Iterator[Fleet]:
    """To start programs with, which end with the test."""
    with ExitStack() as stack:
        yield Fleet(tmp_path, stack, registry_with_greeters)
