"""Judges the registry and what the token may. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from muster.cli.doctor.finding import Finding, Level
from muster.registry.consul.inspection import Inspection

SLOW_SECONDS = 0.25
CLOCKS_APART = 5.0
"""Seconds. muster's deadlines travel as durations, which clocks do not disturb; certificates expire by the clock."""


def judged(found: Inspection) -> Iterator[Finding]:
    yield _reached(found)
    yield _leader(found)
    yield _clock(found.ahead)
    yield from _rights(found)


def _reached(found: Inspection) -> Finding:
    seen = f"{found.agent} answers in {found.seconds * 1000:.1f} ms: Consul {found.version}, node {found.node}"
    if found.seconds < SLOW_SECONDS:
        return Finding(Level.OK, "registry", seen)
    return Finding(Level.WARNING, "registry", seen, "registries should be near: ask an agent on this machine")


def _leader(found: Inspection) -> Finding:
    if found.leader:
        return Finding(Level.OK, "leader", found.leader)
    return Finding(
        Level.PROBLEM, "leader", "its cluster has no leader: nothing can register", "mend the Consul servers"
    )


def _clock(ahead: float | None) -> Finding:
    if ahead is None:
        return Finding(Level.OK, "clock", "the registry does not tell the time")
    if abs(ahead) < CLOCKS_APART:
        return Finding(Level.OK, "clock", "agrees with the registry's")
    seen = f"this machine's is {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead of'} the registry's"
    return Finding(
        Level.WARNING, "clock", seen, "synchronise both (chrony, systemd-timesyncd): certificates expire by it"
    )


def _rights(found: Inspection) -> Iterator[Finding]:
    for rule in found.lacking:
        yield Finding(
            Level.PROBLEM,
            "token",
            "it may not read everything: what it may not see looks as if it were not there",
            f"add to its policy: {rule}",
        )
    if not found.lacking:
        yield Finding(Level.OK, "token", "may read every service and node, or access is not controlled")
