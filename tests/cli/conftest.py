"""The `muster` command as people run it: a process of its own."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest

SECONDS = 60.0

GREETER = """
import muster
from greeter_pb2 import HelloReply
from greeter_pb2_grpc import SayServicer, add_SayServicer_to_server


class Say(SayServicer):
    async def Hello(self, request, context):
        return HelloReply(message=f"Hello {request.name}")


service = muster.Service("greeter", version="1.2.0", tags=["blue", "main"], timing=muster_timing)
service.add(add_SayServicer_to_server, Say())
""".replace("muster_timing", "Timing(drain=0.1)").replace(
    "import muster\n", "import muster\nfrom muster.serve.settings import Timing\n", 1
)
EXAMPLE = Path(__file__).parents[2] / "examples" / "greeter"


@dataclass
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str

    @property
    def error(self) -> str:
        """The one line that a user's mistake is answered with."""
        lines = self.err.splitlines()
        assert len(lines) == 1, self.err
        assert lines[0].startswith("error: "), self.err
        return lines[0].removeprefix("error: ")


class Command:
    """`muster`, in a directory of its own, with nothing of the test machine's environment that it would heed."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self._stayed = 0
        heeded = ("MUSTER_", "CONSUL_", "MICRO_")
        self.environ = {name: value for name, value in os.environ.items() if not name.startswith(heeded)}

    def __call__(self, *arguments: str, stdin: str = "", **environ: str) -> Done:
        done = subprocess.run(
            [sys.executable, "-m", "muster", *arguments],
            input=stdin,
            cwd=self.directory,
            env=self.environ | environ,
            capture_output=True,
            text=True,
            timeout=SECONDS,
        )
        assert "Traceback" not in done.stderr, done.stderr
        return Done(done.returncode, done.stdout, done.stderr)

    @contextmanager
    def staying(self, *arguments: str, **environ: str) -> Iterator[Staying]:
        """One that stays; whatever is left of it at the end is killed."""
        self._stayed += 1
        log = self.directory / f"stays-{self._stayed}.err"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [sys.executable, "-m", "muster", *arguments],
                cwd=self.directory,
                env=self.environ | environ,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
        assert process.stdout is not None
        with process.stdout:
            try:
                yield Staying(process, process.stdout, log)
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()


@dataclass
class Staying:
    """A command that stays until it is ended."""

    process: subprocess.Popen[str]
    out: IO[str]
    log: Path

    @property
    def err(self) -> str:
        """What it has written to standard error so far."""
        return self.log.read_text()

    def line(self) -> str:
        """The next line of its output, which it is waited for; empty at its end."""
        return self.out.readline()

    def said(self, text: str) -> None:
        """Waits until it has written `text` to standard error."""
        self.wait_for(lambda: text in self.err or self.process.poll() is not None)
        assert text in self.err, self.err

    def wait_for(self, condition: Callable[[], bool]) -> None:
        """Looks again and again, since another process tells nothing of itself."""
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, self.err
            time.sleep(0.01)

    def end(self, number: signal.Signals = signal.SIGTERM) -> int:
        """Sends a signal and returns the exit status."""
        self.process.send_signal(number)
        status = self.process.wait(SECONDS)
        assert "Traceback" not in self.err, self.err
        return status


@pytest.fixture
def muster(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def nobody() -> str:
    """A registry URL where nobody listens: port 1 needs a privilege that tests are not given a service for."""
    return "consul://127.0.0.1:1"


@pytest.fixture
def free_address() -> str:
    """Where nobody listens now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


@pytest.fixture
def registry(muster: Command) -> Iterator[str]:
    """A `muster agent` process."""
    with muster.staying("agent", "--http", "127.0.0.1:0", "--json") as process:
        yield json.loads(process.line())["url"]
        process.end()


@pytest.fixture
def greeter(muster: Command, registry: str) -> Iterator[str]:
    """The registry's URL, with a greeter that runs by `muster run` and is registered."""
    (muster.directory / "hello.py").write_text(GREETER)
    with muster.staying("run", "hello:service", PYTHONPATH=str(EXAMPLE), MUSTER_REGISTRY=registry) as process:
        process.said("is registered")
        yield registry
        assert process.end() == 0
