"""Everything known of one name at one moment.

Four states, so that "nobody" and "not asked yet" never share a value (the idea is Finagle's Addr):

    Pending ── first answer ──> Known <── instances ──> Absent
                                  │  └── registry away ─┐
                                  └──── registry away ──┴─> Stale ── answer ──> Known | Absent
"""

from __future__ import annotations

from dataclasses import dataclass

from muster.model.instance import Instance


@dataclass(frozen=True, slots=True)
class Pending:
    """Nothing is known yet. `why` is empty until asking has failed once; then it is the failure."""

    name: str
    why: str = ""


@dataclass(frozen=True, slots=True)
class SetAside:
    """An entry in a registry's answer that cannot be used. `entry` is for people to find it by."""

    entry: str
    why: str


@dataclass(frozen=True, slots=True)
class Known:
    """What the registry says: every registered instance, also the unhealthy ones, in a stable order.

    `doubtful`: what the registry dropped too suddenly to be believed at once (`watch.belief`). They may be called only
    while they are connected and when the others cannot do. `set_aside`: what it holds besides and makes no sense.
    """

    name: str
    instances: tuple[Instance, ...]
    doubtful: tuple[Instance, ...] = ()
    set_aside: tuple[SetAside, ...] = ()


@dataclass(frozen=True, slots=True)
class Stale:
    """The last known, since the registry does not answer.

    `since`: seconds since the epoch when the registry last confirmed it. `why`: what it fails with now.
    """

    name: str
    instances: tuple[Instance, ...]
    since: float
    why: str = ""
    doubtful: tuple[Instance, ...] = ()


@dataclass(frozen=True, slots=True)
class Absent:
    """The registry answered, and knows nobody of that name."""

    name: str


Answer = Known | Absent
"""What a registry can say. Only a watcher, which knows of time and failure, makes the other two."""

Snapshot = Pending | Known | Stale | Absent


def instances_of(snapshot: Snapshot) -> tuple[Instance, ...]:
    """The instances in a snapshot, without the doubtful; none for Pending and Absent."""
    return snapshot.instances if isinstance(snapshot, Known | Stale) else ()


def doubtful_of(snapshot: Snapshot) -> tuple[Instance, ...]:
    """The doubtful instances in a snapshot."""
    return snapshot.doubtful if isinstance(snapshot, Known | Stale) else ()


def set_aside_of(snapshot: Snapshot) -> tuple[SetAside, ...]:
    """The entries that the registry's answer held and that cannot be used."""
    return snapshot.set_aside if isinstance(snapshot, Known) else ()
