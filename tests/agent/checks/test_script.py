"""Programs that are run as checks."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.agent.checks.listening import SOON

from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.script import look
from muster.agent.checks.state import Result
from muster.model.check import Health

pytestmark = pytest.mark.anyio


def script(*args: str, timeout: float = SOON, output_limit: int = 0) -> CheckDefinition:
    return CheckDefinition(Kind.SCRIPT, interval=1.0, timeout=timeout, output_limit=output_limit, script=args)


def shell(text: str, timeout: float = SOON, output_limit: int = 0) -> CheckDefinition:
    return script("sh", "-c", text, timeout=timeout, output_limit=output_limit)


@pytest.mark.parametrize(
    ("definition", "result"),
    [
        (shell("echo hi"), Result(Health.PASSING, "hi\n")),
        (shell("echo meh; exit 1"), Result(Health.WARNING, "meh\n")),
        (shell("echo bad >&2; exit 2"), Result(Health.CRITICAL, "bad\n")),
        (shell("kill -9 $$"), Result(Health.CRITICAL, "")),
        (shell("cat"), Result(Health.PASSING, "")),
        (shell("echo out; exec >&- 2>&-; sleep 0.05; exit 1"), Result(Health.WARNING, "out\n")),
        (script("echo", "$HOME;", "a  b"), Result(Health.PASSING, "$HOME; a  b\n")),
        (shell("echo abcdefghij", output_limit=5), Result(Health.PASSING, "Captured 5 of 11 bytes\n...\nghij\n")),
        (script("/nonexistent/x"), Result(Health.CRITICAL, "fork/exec /nonexistent/x: no such file or directory")),
        (script("/etc/passwd"), Result(Health.CRITICAL, "fork/exec /etc/passwd: permission denied")),
        (script("no-such-x"), Result(Health.CRITICAL, 'exec: "no-such-x": executable file not found in $PATH')),
        (script(""), Result(Health.CRITICAL, "fork/exec : no such file or directory")),
    ],
)
async def test_the_exit_status_is_the_health_and_what_is_written_the_output(
    definition: CheckDefinition, result: Result
) -> None:
    assert await look(definition) == result


async def test_a_program_that_takes_too_long_is_killed_with_all_that_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    definition = shell(f"sleep 60 & echo $$ $! > {pids}; echo begun; wait", timeout=1.0)
    assert await look(definition) == Result(Health.CRITICAL, "Timed out (1s) running check\n\nbegun\n")
    await gone(pids)


async def test_a_program_ends_with_its_check(tmp_path: Path) -> None:
    pids = tmp_path / "pids"
    async with asyncio.timeout(SOON), asyncio.TaskGroup() as tasks:
        looking = tasks.create_task(look(shell(f"sleep 60 & echo $$ $! > {pids}.new; mv {pids}.new {pids}; wait")))
        while not pids.exists():
            await asyncio.sleep(0.005)
        looking.cancel()
    assert looking.cancelled()
    await gone(pids)


async def gone(pids: Path) -> None:
    """Returns once none of the processes is there any more: the child at once, what it started when init took it."""
    async with asyncio.timeout(SOON):
        for pid in map(int, pids.read_text().split()):
            while is_alive(pid):
                await asyncio.sleep(0.005)


def is_alive(pid: int) -> bool:
    """Whether it runs; a process that ended and whose parent has not heard of it yet does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False


async def test_what_a_program_left_running_in_the_background_does_not_hold_it_up() -> None:
    async with asyncio.timeout(SOON):
        result = await look(shell("sleep 0.5 >/dev/null 2>&1 & echo done"))
    assert result == Result(Health.PASSING, "done\n")
