"""Newcomers get a small share of calls first: their caches are cold, and their code may still be compiled. Pure."""

from __future__ import annotations

LEAST = 0.1
"""The share at the start, as in Envoy: with none, nothing would ever warm up."""

STEP = 1.0
"""Seconds between looks at the weights while somebody warms up."""


def warmth(age: float, window: float) -> float:
    """The part of its weight that an instance `age` seconds old has; grows evenly until `window`, then 1."""
    return 1.0 if age >= window else max(LEAST, age / window)
