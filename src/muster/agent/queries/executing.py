"""What a prepared query finds."""

from __future__ import annotations

from dataclasses import dataclass

from muster.agent.catalog.catalog import Entry


@dataclass(frozen=True, slots=True)
class Executed:
    """The instances that a prepared query for `service` found. `ttl`, in seconds, is that for DNS, if it says one."""

    service: str
    entries: tuple[Entry, ...]
    ttl: float | None = None
