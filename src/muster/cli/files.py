"""How many files a command may have open."""

from __future__ import annotations

import resource
from contextlib import suppress

_ENOUGH = 16_384
"""More than an agent takes connections by default; more still would only make programs slow that close all they could
have."""


def allow_many_files() -> None:
    """Let this process have as many files open as it may, within reason: each connection is one, and shells start
    programs with 1,024. Where that is refused it stays as it is."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _ENOUGH if hard == resource.RLIM_INFINITY else min(hard, _ENOUGH)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
