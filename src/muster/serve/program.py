"""A foreign program that takes the calls: started, waited for, told to end, and killed where it does not."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress

from muster.model.errors import BadConfiguration, MusterError
from muster.model.instance import join_host_port

log = logging.getLogger("muster.serve")

PROBE_EVERY = 0.05
PROBE_LIMIT = 1.0
"""Seconds between two attempts to connect to the program's port, and that one may take."""


class ProgramFailed(MusterError):
    """The program could not be started, ended or kept its port closed. `status` is what it calls for, as of a shell."""

    def __init__(self, text: str, status: int = 1) -> None:
        super().__init__(text)
        self.status = status


class Program:
    """One run of `command`, which listens on `host`:`port`. A transport of `muster.serve.life`.

    It runs in a session of its own: Ctrl-C in a terminal reaches muster alone, which ends it when it has left the
    registry. `patience`: seconds until its port must take connections. Whoever owns it enters `orphans.reaping` with
    `child_ended`. `over` is set when it has ended.
    """

    def __init__(
        self, command: Sequence[str], host: str, port: int, patience: float, environ: Mapping[str, str]
    ) -> None:
        self.over = asyncio.Event()
        self._command = list(command)
        self._where = host, port
        self._patience = patience
        self._environ = dict(environ)
        self._pid = 0
        self._status: int | None = None

    @property
    def status(self) -> int:
        """Its exit status as shells tell it: 128 and the signal's number where one ended it. Once `over`."""
        assert self._status is not None
        return 128 - self._status if self._status < 0 else self._status

    async def serve(self) -> None:
        """Start it, and return once its port takes connections. Raises ProgramFailed, and BadConfiguration where the
        program is not there or somebody else has the port: the registry must not learn a stranger's address."""
        if await self._answers():
            raise BadConfiguration(
                f"something listens at {join_host_port(*self._where)} already: end it, or give the program another port"
            )
        self._start()
        try:
            async with asyncio.timeout(self._patience):
                await self._until_it_answers()
        except TimeoutError:
            raise ProgramFailed(
                f"{self._name} does not listen at {join_host_port(*self._where)} after {self._patience:g} s: "
                "is --port the port that it uses? --start-timeout gives it longer"
            ) from None

    async def stop(self, grace: float) -> None:
        """SIGTERM; once it has ended, SIGTERM for what it left in its process group; after `grace` seconds SIGKILL."""
        if not self._pid:
            return
        try:
            async with asyncio.timeout(grace):
                self.send(signal.SIGTERM)
                await self.over.wait()
                self._send_all(signal.SIGTERM)
                while self._send_all(0):  # noqa: ASYNC110  other processes set no event of ours
                    await asyncio.sleep(PROBE_EVERY)
        except TimeoutError:
            log.warning("%s did not end within %.1f s of SIGTERM: killed", self._name, grace)
        finally:
            self._send_all(signal.SIGKILL)
            await self.over.wait()

    def send(self, number: int) -> None:
        """Pass a signal on to the program itself. Does nothing when it has ended."""
        if self._pid and not self.over.is_set():
            os.kill(self._pid, number)

    def child_ended(self, pid: int, status: int) -> None:
        """Take note of a child's end, whichever it was."""
        if pid != self._pid:
            return
        self._status = status
        log.info("%s ended with status %d", self._name, self.status)
        self.over.set()

    @property
    def _name(self) -> str:
        return os.path.basename(self._command[0])

    def _start(self) -> None:
        path = shutil.which(self._command[0], path=self._environ.get("PATH"))
        if path is None:
            raise _not_run(self._command[0])
        try:
            # Not asyncio's subprocess: that would wait for children too, and one of the two would miss an end.
            self._pid = os.posix_spawn(path, self._command, self._environ, setsid=True, setsigdef=_DEFAULTS)
        except OSError as error:
            raise ProgramFailed(f"{self._command[0]!r} cannot be run: {error.strerror}", status=126) from error

    async def _until_it_answers(self) -> None:
        while not await self._answers():
            with suppress(TimeoutError):
                async with asyncio.timeout(PROBE_EVERY):
                    await self.over.wait()
            if self.over.is_set():
                where = join_host_port(*self._where)
                text = f"{self._name} ended with status {self.status} before it listened at {where}"
                raise ProgramFailed(text, self.status or 1)

    async def _answers(self) -> bool:
        try:
            async with asyncio.timeout(PROBE_LIMIT):
                _, writer = await asyncio.open_connection(*self._where)
        except OSError:
            return False
        writer.close()
        return True

    def _send_all(self, number: int) -> bool:
        """Send a signal to its process group; 0 only asks. Returns whether anybody is left there."""
        try:
            os.killpg(self._pid, number)
        except (ProcessLookupError, PermissionError):
            return False
        return True


def _not_run(program: str) -> ProgramFailed:
    """Why nothing was found to run, and the status that shells have for it."""
    if os.path.dirname(program) and os.path.exists(program):
        return ProgramFailed(
            f"{program!r} cannot be run: it is no file that may be executed; chmod +x makes it one", status=126
        )
    return ProgramFailed(f"there is no program {program!r} that can be run", status=127)


_DEFAULTS = [signal.SIGPIPE]
"""Ignored by Python, and expected by other programs to be as the system has it."""
