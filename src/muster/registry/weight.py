"""Warning is not death: what an instance weighs while a check of it warns."""

from __future__ import annotations


def when_warning(weight: int) -> int:
    """Half the weight, at least 1: a warning instance gets fewer calls, and never none for its warning alone."""
    return max(1, weight // 2)
