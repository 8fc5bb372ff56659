"""Why an instance is called, or is not: data for people and programs."""

from __future__ import annotations

from dataclasses import dataclass

from muster.model.instance import Instance


@dataclass(frozen=True, slots=True)
class Candidate:
    """One instance. `why_not`: what keeps it from being called in good times; empty if nothing does. It may be
    `eligible` all the same, where too few others are. `connection`: connecting, ready or down. `inflight`: this
    client's calls under way there; `failures`: faults in a row. `ejected_for`: seconds that are left; None if it is
    not ejected. `doubtful`: the registry dropped it suddenly."""

    instance: Instance
    eligible: bool
    why_not: str
    connection: str
    weight: float
    inflight: int
    failures: int
    ejected_for: float | None
    doubtful: bool


@dataclass(frozen=True, slots=True)
class Explanation:
    """All instances of a name as one client sees them. `chosen`: the id of the one that the next call would go to, None
    for nobody. `panic`: so few are well that others are called too."""

    name: str
    picker: str
    panic: bool
    candidates: tuple[Candidate, ...]
    chosen: str | None
