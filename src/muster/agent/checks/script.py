"""One run of a program: its exit status is the health, as with Nagios's plugins, and what it writes is the output."""

from __future__ import annotations

import asyncio
import errno
import os
import signal
import subprocess
from contextlib import suppress

from muster.agent.checks.definition import CheckDefinition
from muster.agent.checks.state import Result, Tail
from muster.model.check import Health
from muster.registry.consul.duration import format_duration

_DEFAULT_TIMEOUT = 30.0
_SHORTEST_PAUSE, _LONGEST_PAUSE = 0.002, 0.05
_KILLED_WITHIN = 1.0
_HEALTH = {0: Health.PASSING, 1: Health.WARNING}


async def look(definition: CheckDefinition) -> Result:
    """Run the program, without a shell, in a process group of its own.

    That group is killed when the time is over, and where this is cancelled; what the program left running when it ended
    in time stays. Never raises but for cancellation: failure is a result.
    """
    try:
        process = _start(definition.script)
    except OSError as error:
        return Result(Health.CRITICAL, _why_not(definition.script[0], error))
    seconds = definition.timeout if definition.timeout > 0 else _DEFAULT_TIMEOUT
    output = Tail(definition.output_limit)
    try:
        async with asyncio.timeout(seconds):
            await _read(process, output)
            status = await _ended(process)
    except TimeoutError:
        return Result(Health.CRITICAL, _too_late(seconds, _said(output)))
    finally:
        await _end(process)
    return Result(_HEALTH.get(status, Health.CRITICAL), _said(output))


def _start(script: tuple[str, ...]) -> subprocess.Popen[bytes]:
    """By subprocess itself, which starts it by vfork whatever the loop: uvloop forks, which grpcio does not survive."""
    if not script[0]:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
    return subprocess.Popen(
        script,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        bufsize=0,
        start_new_session=True,
    )


class _Reading(asyncio.Protocol):
    """Takes what a program writes, until nobody can write any more."""

    def __init__(self, output: Tail) -> None:
        self.ended = asyncio.get_running_loop().create_future()
        self._output = output

    def data_received(self, data: bytes) -> None:
        self._output.add(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if not self.ended.done():
            self.ended.set_result(None)


async def _read(process: subprocess.Popen[bytes], output: Tail) -> None:
    reading = _Reading(output)
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: reading, process.stdout)
    try:
        await reading.ended
    finally:
        transport.close()


async def _ended(process: subprocess.Popen[bytes]) -> int:
    """The exit status. Looked for again and again: a program that closed its output has mostly ended, and nothing that
    would tell of it is there on every system."""
    pause = _SHORTEST_PAUSE
    while (status := process.poll()) is None:
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE)
    return status


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill the group of a program that was not seen to end, and take its status, so that it does not stay a zombie."""
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with suppress(TimeoutError):  # one that hangs in the kernel: its status is taken when the next program starts
        async with asyncio.timeout(_KILLED_WITHIN):
            await _ended(process)


def _said(output: Tail) -> str:
    if output.written <= output.limit:
        return output.text()
    return f"Captured {output.limit} of {output.written} bytes\n...\n{output.text()}"


def _too_late(seconds: float, said: str) -> str:
    late = f"Timed out ({format_duration(seconds)}) running check"
    return f"{late}\n\n{said}" if said else late


def _why_not(program: str, error: OSError) -> str:
    """Why a program could not be started, in Go's words."""
    if isinstance(error, FileNotFoundError) and program and "/" not in program:
        return f'exec: "{program}": executable file not found in $PATH'
    return f"fork/exec {program}: {(error.strerror or str(error)).lower()}"
