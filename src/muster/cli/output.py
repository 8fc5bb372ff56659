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


class CannotWrite(Exception):
    """Standard output takes no more, other than because its reader has gone: a full disk, an encoding without the
    characters that are to be written."""


def print_line(text: str) -> None:
    """A line, at once: who follows a pipe must not wait for a full buffer.

    Raises BrokenPipeError where the reader has gone, and CannotWrite.
    """
    try:
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
    except BrokenPipeError:
        raise
    except UnicodeEncodeError as error:
        character = error.object[error.start : error.end]
        raise CannotWrite(f"{error.encoding} has no {character!r}: set PYTHONIOENCODING=utf-8") from error
    except OSError as error:
        raise CannotWrite(error.strerror or str(error)) from error


def complain(text: str) -> None:
    """A line on standard error, where errors and hints go."""
    sys.stderr.write(f"error: {' '.join(plain(text).split())}\n")


def note(text: str) -> None:
    """A line on standard error that is no error."""
    sys.stderr.write(plain(text) + "\n")
    sys.stderr.flush()


def print_table(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table. On a pipe every row is one whole line, however wide, for grep and awk."""
    cells = [[plain(cell).replace("\n", " ") for cell in row] for row in rows]
    if sys.stdout.isatty():
        _print_for_terminal(columns, cells)
        return
    widths = [max(map(len, column)) for column in zip(columns, *cells, strict=True)]
    for row in [list(columns), *cells]:
        print_line("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _print_for_terminal(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    table = Table(*columns, box=SIMPLE_HEAD, pad_edge=False, header_style="bold")
    for row in rows:
        table.add_row(*map(Text, row))
    Console().print(table)


def plain(text: str) -> str:
    """`text` with everything but printable characters and line ends escaped."""
    return "".join(c if c.isprintable() or c == "\n" else c.encode("unicode_escape").decode() for c in text)
