"""The `muster` command as people run it: a process of its own."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

SECONDS = 30.0


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
    def staying(self, *arguments: str, **environ: str) -> Iterator[subprocess.Popen[str]]:
        """One that stays; whatever is left of it at the end is killed. Its standard error goes to `stays.err`."""
        with (self.directory / "stays.err").open("w") as errors:
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
                yield process
            finally:
                if process.poll() is None:
                    process.kill()
                    process.wait()

    @staticmethod
    def wait_until(condition: Callable[[], bool]) -> None:
        """Looks again and again, since another process tells nothing of itself."""
        end = time.monotonic() + SECONDS
        while not condition():
            assert time.monotonic() < end, "it never came true"
            time.sleep(0.01)

    def errors(self) -> str:
        """What the command that stays, or stayed, has written to standard error."""
        return (self.directory / "stays.err").read_text()


@pytest.fixture
def muster(tmp_path: Path) -> Command:
    return Command(tmp_path)


@pytest.fixture
def nobody() -> str:
    """A registry URL where nobody listens: port 1 needs a privilege that tests are not given a service for."""
    return "consul://127.0.0.1:1"
