"""What scripts fetched for these tests, and where it is."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

_REPOSITORY = Path(__file__).parent.parent.parent
BINARIES = _REPOSITORY / ".servers" / "bin"
CLIENTS = _REPOSITORY / ".servers" / "clients"
PROGRAMS = Path(__file__).parent / "programs"


def needed(what: str, found: Path | str | None, script: str) -> str:
    """Where something is that `script` fetches. Skips where it is absent, fails where it must be there."""
    if found is not None and Path(found).exists():
        return str(found)
    missing = f"no {what}: run {script}"
    if os.environ.get("MUSTER_REQUIRE_SERVERS") == "1":
        pytest.fail(missing)
    pytest.skip(missing)
