"""How many files a command may have open, in processes of their own: a limit that was lowered stays so."""

from __future__ import annotations

import subprocess
import sys

import pytest

SHOW = """
import resource, sys
resource.setrlimit(resource.RLIMIT_NOFILE, tuple(map(int, sys.argv[1:])))
from muster.cli.files import allow_many_files
allow_many_files()
print(*resource.getrlimit(resource.RLIMIT_NOFILE))
"""


@pytest.mark.parametrize(
    ("before", "after"),
    [("1000 5000", "5000 5000"), ("1000 17000", "16384 17000"), ("17000 17000", "17000 17000")],
)
def test_it_may_have_as_many_as_the_machine_allows_within_reason(before: str, after: str) -> None:
    command = [sys.executable, "-c", SHOW, *before.split()]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == after
