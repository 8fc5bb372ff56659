from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from muster.cli.demo import processes
from muster.cli.demo.processes import Child, ChildFailed

pytestmark = pytest.mark.anyio


async def started(directory: Path, program: str) -> Child:
    (directory / "program.py").write_text(program)
    return await Child.start("the child", "program", (), os.environ | {"PYTHONPATH": str(directory)})


async def test_a_child_announces_itself_and_stops_when_told(tmp_path: Path) -> None:
    child = await started(tmp_path, "print('{\"id\": 1}', flush=True); input()")
    await child.ready()
    assert child.announced == {"id": 1}
    await child.stop(grace=10)
    assert child.status == -signal.SIGTERM


async def test_a_child_that_ignores_sigterm_is_killed(tmp_path: Path) -> None:
    program = "import signal; signal.signal(15, signal.SIG_IGN); print('{}', flush=True); input()"
    child = await started(tmp_path, program)
    await child.ready()
    await child.stop(grace=0.1)
    assert child.status == -signal.SIGKILL


@pytest.mark.parametrize(
    ("program", "text"),
    [
        ("import sys; sys.exit('error: the port is taken')", "the child ended with status 1: error: the port is taken"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("pass", "the child ended with status 0: it wrote nothing to standard error"),
    ],
)
async def test_a_child_that_does_not_start_is_quoted(tmp_path: Path, program: str, text: str) -> None:
    child = await started(tmp_path, program)
    with pytest.raises(ChildFailed, match=text):
        await child.ready()
    await child.stop(grace=10)


async def test_a_child_that_hangs_says_where(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "START_SECONDS", 1.0)
    child = await started(tmp_path, "def waits_for_ever():\n    input()\nwaits_for_ever()")
    with pytest.raises(ChildFailed, match=r"did not start within 1 s: (?s:.*)in waits_for_ever"):
        await child.ready()
    await child.stop(grace=10)
