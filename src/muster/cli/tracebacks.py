"""What is shown of an exception that a service's own code raised."""

from __future__ import annotations

import asyncio
import contextlib
import traceback
from pathlib import Path
from types import TracebackType

import muster

_BETWEEN = (str(Path(muster.__file__).parent), str(Path(asyncio.__file__).parent), contextlib.__file__)
"""Where the way from the command to the service's code leads through."""


def own_traceback(error: Exception) -> str:
    """The traceback from where the service's code begins; all of it, where none of that is in it: a fault of ours."""
    first = _own(error.__traceback__) or error.__traceback__
    return "".join(traceback.format_exception(error.with_traceback(first)))


def _own(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_BETWEEN):
        trace = trace.tb_next
    return trace


def in_short(error: Exception) -> str:
    """On one line."""
    return f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
