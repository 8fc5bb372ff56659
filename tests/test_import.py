"""What `import muster` costs and offers."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import muster

HEAVY = ("aiohttp", "asyncio", "google.protobuf", "grpc", "msgspec", "prometheus_client", "rich", "typer", "uvicorn")

LIBRARY = Path(muster.__file__).parent


def loaded_by(statement: str) -> set[str]:
    """The modules that a new interpreter has after `statement`."""
    program = f"import sys\n{statement}\nprint(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    ["import muster", "from muster import Instance, NoInstances, Known, Health, Event"],
    ids=["the package", "its data and errors"],
)
def test_nothing_heavy_is_loaded(statement: str) -> None:
    assert loaded_by(statement).isdisjoint(HEAVY)


def test_the_command_line_loads_no_transport() -> None:
    """`muster --help` and the start of `muster agent` would pay for them."""
    assert loaded_by("import muster.cli.app").isdisjoint({"aiohttp", "google.protobuf", "grpc", "uvicorn", "rich"})


@pytest.mark.parametrize("name", muster.__all__)
def test_every_public_name_is_there(name: str) -> None:
    assert getattr(muster, name) is not None
    assert name in dir(muster)


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'muster' has no attribute 'Nothing'"):
        _ = muster.Nothing


def test_the_package_is_typed() -> None:
    assert (LIBRARY / "py.typed").exists()


def test_every_folder_explains_itself() -> None:
    silent = [
        str(path.parent.relative_to(LIBRARY))
        for path in LIBRARY.rglob("*.py")
        if not (path.parent / "__init__.py").exists() or not (path.parent / "__init__.py").read_text().startswith('"""')
    ]
    assert sorted(set(silent)) == []


def test_no_file_has_a_name_that_says_nothing() -> None:
    empty = {"utils", "util", "helpers", "helper", "manager", "common", "misc", "base"}
    assert [str(path) for path in LIBRARY.rglob("*.py") if path.stem in empty] == []
