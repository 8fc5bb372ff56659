"""`muster run --reload`: what it needs, and the line that is told of what runs."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import pytest

from muster.cli.announcing import running_line
from muster.cli.changes import noticing
from muster.cli.misuse import Misuse
from muster.model.instance import GRPC, HTTP, Instance


@pytest.mark.anyio
async def test_without_watchfiles_it_says_what_to_install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "watchfiles", None)
    with pytest.raises(Misuse, match=r"--reload needs watchfiles: pip install 'muster-discovery\[reload\]'"):
        async with noticing(tmp_path, lambda: None):
            raise AssertionError


@pytest.mark.anyio
async def test_changed_python_files_are_noticed_and_others_are_not(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    changed = asyncio.Event()
    (tmp_path / "below").mkdir()
    async with noticing(tmp_path, changed.set), asyncio.timeout(30):
        (tmp_path / "data.json").write_text("{}")
        while not changed.is_set():  # until it looks: it does not tell when it has begun
            (tmp_path / "below" / "a.py").write_text("a = 1")
            await asyncio.sleep(0.02)
    assert "changed: below/a.py" in capsys.readouterr().err


A = Instance("a-1", "a", "127.0.0.1", 4001, protocol=GRPC)
B = Instance("a-2", "a", "127.0.0.1", 4002, protocol=GRPC)
H = Instance("a-http-1", "a-http", "", 4003, protocol=HTTP)


@pytest.mark.parametrize(
    ("instances", "registry", "why", "workers", "line"),
    [
        ([A], "", "", 0, "a: grpc at 127.0.0.1:4001 (a-1)"),
        (
            [A],
            "memory://a",
            "not registered yet",
            0,
            "a: grpc at 127.0.0.1:4001 (a-1); registry memory://a; not registered yet",
        ),
        (
            [H, A, B],
            "",
            "",
            2,
            "a: 2 workers, http at 127.0.0.1:4003 (a-http-1) as a-http, grpc at 127.0.0.1:4001 (a-1), "
            "127.0.0.1:4002 (a-2)",
        ),
    ],
)
def test_the_line(instances: list[Instance], registry: str, why: str, workers: int, line: str) -> None:
    assert running_line(instances, registry, why, workers) == f"{line}  (Ctrl-C ends it)"
