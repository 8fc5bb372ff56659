"""Measurements: each a ratio or a bound, taken side by side in one run, medians of repeats.

    make bench                        all of them
    make bench ARGS="calls --quick"   some of them, in short

One file a subject; each has `measure(quick) -> list[Figure]`. Where a figure compares two things, the two take turns
within one run, so that a machine whose speed drifts slows both.
"""
