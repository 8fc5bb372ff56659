"""What type checkers make of a typed client."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples" / "typed"

MYPY = ("mypy", "--strict", "--config-file", str(ROOT / "pyproject.toml"), "--cache-dir", str(ROOT / ".mypy_cache"))
"""What `make lint` reads too is read once."""
PYRIGHT = ("pyright", "--pythonpath", sys.executable)

PROGRAM = """
from __future__ import annotations

import muster
from greeting import HelloRequest, Say as Protocol
from server import Say as Handler


async def main() -> None:
    async with muster.Client() as client:
        by_protocol = client.service(Protocol, "greeter")
        by_class = client.service(Handler, "greeter")
        reveal_type(await by_protocol.hello(HelloRequest("x")))
        reveal_type(await by_class.hello(HelloRequest("x")))
        async for reply in by_protocol.list_hellos(HelloRequest("x")):
            reveal_type(reply.message)
        async for other in by_class.list_hellos(HelloRequest("x")):
            reveal_type(other)
        await by_class.hello("x")
        await by_protocol.goodbye()
"""


def check(directory: Path, *command: str) -> str:
    """What a checker says of the program beside the example."""
    for name in ("greeting.py", "server.py", "client.py"):
        (directory / name).write_text((EXAMPLE / name).read_text())
    (directory / "program.py").write_text(PROGRAM)
    done = subprocess.run(
        [sys.executable, "-m", *command, "program.py", "client.py"], cwd=directory, capture_output=True, text=True
    )
    return done.stdout + done.stderr


@pytest.mark.parametrize("command", [MYPY, PYRIGHT], ids=["mypy", "pyright"])
def test_types_are_inferred_and_slips_found(tmp_path: Path, command: tuple[str, ...]) -> None:
    said = check(tmp_path, *command)
    revealed = re.findall(r'(?:Revealed type is|Type of ".*" is) "([\w.]+)"', said)
    assert [each.rpartition(".")[2] for each in revealed] == ["HelloReply", "HelloReply", "str", "HelloReply"], said
    errors = [line for line in said.splitlines() if re.search(r"\berror\b.*:|: error:| - error:", line)]
    assert len(errors) == 2, said
    assert "HelloRequest" in errors[0] and "goodbye" in errors[1], said
    assert "client.py" not in "".join(errors)
