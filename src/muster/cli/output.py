"""What commands print: tables and lines for people, JSON for programs; data to standard output, all else to stderr.

Whatever is printed for people was written by strangers (names, tags, check outputs, replies): control characters, which
a terminal would obey, are shown as what they are.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any


def print_json(value: Any, *, indent: int | None = 2) -> None:
    """One JSON document. `indent=None` makes it one line, for streams of them."""
    print_line(json.dumps(value, indent=indent, ensure_ascii=False))


def print_line(text: str) -> None:
    """A line, at once: who follows a pipe must not wait for a full buffer."""
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def complain(text: str) -> None:
    """A line on standard error, where errors and hints go."""
    sys.stderr.write(f"error: {' '.join(plain(text).split())}\n")


def note(text: str) -> None:
    """A line on standard error that is no error."""
    sys.stderr.write(plain(text) + "\n")
    sys.stderr.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table; on a pipe every row is one whole line, however wide."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    table = Table(box=SIMPLE_HEAD if console.is_terminal else None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column)
    for row in rows:
        table.add_row(*(Text(plain(cell)) for cell in row))
    if console.is_terminal:
        console.print(table)
    else:
        console.print(table, width=_NO_LIMIT, crop=False)
    sys.stdout.flush()


_NO_LIMIT = 100_000


def plain(text: str) -> str:
    """`text` with everything but printable characters and line ends escaped."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
