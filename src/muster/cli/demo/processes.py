"""One child process."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
from collections.abc import Mapping, Sequence
from typing import IO, Any, Self

from muster.model.errors import MusterError

START_SECONDS = 20.0
"""A child imports grpc and registers in half a second; a machine that is busy with other things takes longer."""


LAST_WORDS = 4000
"""Bytes of its standard error that are shown of a child that failed: a traceback, or where its threads stood."""


class ChildFailed(MusterError):
    """A child process ended or kept silent where it should have announced itself."""


class Child:
    """A Python process that runs a module and prints one JSON object on standard output when it is ready.

    It ends with us: see `tether`. It is in a session of its own, so that Ctrl-C reaches the demo alone, which ends its
    children in order.
    """

    def __init__(self, what: str, process: asyncio.subprocess.Process, errors: IO[bytes]) -> None:
        self.what = what
        self.announced: dict[str, Any] = {}
        self._process = process
        self._errors = errors

    @classmethod
    async def start(cls, what: str, module: str, arguments: Sequence[str], environ: Mapping[str, str]) -> Self:
        """Starts it. Its standard error goes to a file that needs no reader, for the case that it fails."""
        errors = tempfile.TemporaryFile()  # noqa: SIM115  closed by `stop`
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-X",
            "faulthandler",
            "-P",  # a file of the current directory must not stand in for a library
            "-m",
            module,
            *arguments,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=errors,
            env=dict(environ),
            start_new_session=True,
        )
        return cls(what, process, errors)

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def running(self) -> bool:
        return self._process.returncode is None

    @property
    def status(self) -> int | None:
        """None while it runs; the negative number of the signal that ended it."""
        return self._process.returncode

    async def ready(self) -> None:
        """Waits until it has announced itself. Raises ChildFailed with what it wrote to standard error."""
        assert self._process.stdout is not None
        try:
            async with asyncio.timeout(START_SECONDS):
                line = await self._process.stdout.readline()
        except TimeoutError:
            self.send(signal.SIGABRT)  # faulthandler then writes where it hangs
            await self.ended()
            raise ChildFailed(f"{self.what} did not start within {START_SECONDS:.0f} s: {self._last_words()}") from None
        if not line:
            await self._process.wait()
            raise ChildFailed(f"{self.what} ended with status {self.status}: {self._last_words()}")
        self.announced = json.loads(line)

    def _last_words(self) -> str:
        self._errors.seek(max(0, self._errors.seek(0, os.SEEK_END) - LAST_WORDS))
        text = self._errors.read().decode(errors="replace").strip()
        last = text.rpartition("\n")[2]
        return last if last.startswith("error: ") else text or "it wrote nothing to standard error"

    def send(self, number: signal.Signals) -> None:
        if self.running:
            self._process.send_signal(number)

    async def ended(self) -> int:
        """Waits for its end and returns its status."""
        return await self._process.wait()

    async def stop(self, grace: float) -> None:
        """SIGTERM, then SIGKILL after `grace` seconds."""
        self.send(signal.SIGTERM)
        try:
            async with asyncio.timeout(grace):
                await self.ended()
        except TimeoutError:
            self.send(signal.SIGKILL)
            await self.ended()
        self._errors.close()
