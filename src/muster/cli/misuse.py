"""The error of somebody who typed something wrong."""

from __future__ import annotations


class Misuse(Exception):
    """An argument cannot be used as it stands. The text says which, where in it, and what would do."""
