"""What users see of what their own code raised."""

from __future__ import annotations

import pytest
from tests.cli.conftest import Command

from muster.cli.tracebacks import in_short, own_traceback
from muster.model.instance import split_host_port

SERVICE = """
import muster

service = muster.Service("broken", register="off")

@service.lifespan
async def opened():
    raise OSError("refused by the database")
    yield {}

@service.handler
class Say:
    async def hello(self) -> str:
        return "Hello"
"""


@pytest.mark.parametrize("workers", [(), ("--workers", "1")], ids=["one process", "workers"])
def test_a_lifespan_that_fails_is_told_from_where_it_begins(muster: Command, workers: tuple[str, ...]) -> None:
    (muster.directory / "broken.py").write_text(SERVICE)
    with muster.staying("run", "broken:service", *workers) as process:
        assert process.process.wait(30) == 1
    shown = process.err[process.err.index("Traceback") :].splitlines()
    assert [line.split(", ")[0] for line in shown if line.startswith("  File")] == [
        f'  File "{muster.directory / "broken.py"}"'
    ]
    assert "OSError: refused by the database" in shown
    assert shown[-1].startswith("error: ") and shown[-1].endswith("OSError: refused by the database")


def test_a_fault_of_ours_is_shown_whole() -> None:
    try:
        split_host_port("no port")
    except ValueError as error:
        error.__traceback__ = error.__traceback__ and error.__traceback__.tb_next  # as if muster itself had called it
        assert "split_host_port" in own_traceback(error)


def test_in_short() -> None:
    assert in_short(OSError("refused")) == "OSError: refused"
    assert in_short(TimeoutError()) == "TimeoutError"
