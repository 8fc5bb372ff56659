"""Regular expressions as Consul takes them: Go's, which are RE2's, and never take more than linear time.

Python's own would do as well for everybody who means well. For `^(a+)+$` and thirty characters they take minutes, in
which the agent answers nobody.
"""

from __future__ import annotations

import re
from typing import Protocol


class Pattern(Protocol):
    """A compiled regular expression."""

    def search(self, text: str) -> object | None:
        """Not None if it is found anywhere in `text`."""
        ...


_GO_REASONS = (
    ("missing ), unterminated", "missing closing ): `{pattern}`"),
    ("unbalanced parenthesis", "unexpected ): `{pattern}`"),
    ("unterminated character set", "missing closing ]: `{rest}`"),
    ("nothing to repeat", "missing argument to repetition operator: `{at}`"),
    ("multiple repeat", "invalid nested repetition operator: `{twice}`"),
    ("bad escape (end of pattern)", "trailing backslash at end of expression: ``"),
    ("bad escape", "invalid escape sequence: `{escape}`"),
    ("bad character range", "invalid character class range: `{range}`"),
)


def compile_pattern(pattern: str) -> Pattern:
    """A regular expression. Raises ValueError with Go's text, or one that names the extra that is missing."""
    try:
        import re2
    except ImportError:
        raise ValueError("regular expressions need the extra 'agent': pip install 'muster-discovery[agent]'") from None
    options = re2.Options()
    options.log_errors = False
    try:
        compiled: Pattern = re2.compile(pattern, options)
    except re2.error as error:
        raise ValueError(_reason(pattern, error)) from None
    return compiled


def _reason(pattern: str, error: Exception) -> str:
    """Go's words. Python's error says where the fault is, which RE2's does not."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError) as found:
        return _go_reason(pattern, found)
    told = error.args[0] if error.args else error
    return f"error parsing regexp: {told.decode(errors='replace') if isinstance(told, bytes) else told}"


def _go_reason(pattern: str, error: Exception) -> str:
    """Why Go would not have compiled a pattern that Python does not."""
    at = getattr(error, "pos", None) or 0
    for start, reason in _GO_REASONS:
        if str(error).startswith(start):
            parts = {"at": pattern[at : at + 1], "twice": pattern[at - 1 : at + 1], "escape": pattern[at : at + 2]}
            text = reason.format(pattern=pattern, rest=pattern[at:], range=pattern[at : at + 3], **parts)
            return f"error parsing regexp: {text}"
    return f"error parsing regexp: {error}"
