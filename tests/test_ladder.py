"""The ladder of layers is written in three places for three readers: the linter, the newcomer, and `help(muster)`."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import muster

REPOSITORY = Path(__file__).parent.parent
LIBRARY = Path(muster.__file__).parent


def enforced() -> list[list[str]]:
    """What import-linter enforces, without the layers that are yet to come."""
    settings = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["tool"]["importlinter"]
    (ladder,) = (contract["layers"] for contract in settings["contracts"] if contract["id"] == "ladder")
    names = [[name.strip(" ()") for name in layer.split("|")] for layer in ladder]
    there = [
        [name for name in layer if (LIBRARY / name).exists() or (LIBRARY / f"{name}.py").exists()] for layer in names
    ]
    return [layer for layer in there if layer]


def test_the_design_page_shows_it() -> None:
    page = (REPOSITORY / "docs" / "design.md").read_text()
    found = re.search(r"## The ladder.*?```text\n(.*?)```", page, re.DOTALL)
    assert found is not None
    assert [layer.split(" | ") for layer in found[1].splitlines()] == enforced()


def test_the_packages_map_shows_it() -> None:
    assert muster.__doc__ is not None
    lines = [line.strip() for line in muster.__doc__.splitlines() if line.startswith("    ")]
    assert [re.split(r"  +", line)[0].split(" | ") for line in lines] == enforced()
