"""What a cluster would do about servers that fail: kept and given back, since there are no other servers."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from muster.agent.catalog.rows import NO_STAMP, Stamp
from muster.agent.catalog.topics import Topic
from muster.agent.store.rows import Rows
from muster.agent.store.tables import Tables

AUTOPILOT: Topic = ("autopilot", "")
_KEY = "configuration"


@dataclass(frozen=True, slots=True)
class AutopilotSettings:
    """As Consul's, times in seconds. What is not said when they are written is not the default, but nothing."""

    cleanup_dead_servers: bool = False
    last_contact_threshold: float = 0.0
    max_trailing_logs: int = 0
    min_quorum: int = 0
    server_stabilization_time: float = 0.0
    redundancy_zone_tag: str = ""
    disable_upgrade_migration: bool = False
    upgrade_version_tag: str = ""
    stamp: Stamp = field(default=NO_STAMP, compare=False)


_DEFAULTS = AutopilotSettings(
    cleanup_dead_servers=True,
    last_contact_threshold=0.2,
    max_trailing_logs=250,
    server_stabilization_time=10.0,
    stamp=Stamp(1, 1),
)


class Autopilot:
    """The settings, Consul's defaults until somebody writes others. Synchronous."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables
        self._rows: Rows[str, AutopilotSettings] = Rows("autopilot", AutopilotSettings)
        tables.join(lambda write: None, self._rows)

    @property
    def settings(self) -> AutopilotSettings:
        return self._rows.get(_KEY) or _DEFAULTS

    def put(self, settings: AutopilotSettings, index: int | None = None) -> bool:
        """Write them, with `index` only if they were last changed at that. Returns whether they were written."""
        present = self.settings.stamp
        if index is not None and index != present.modified:
            return False
        with self._tables.write() as write:
            write.put(self._rows, _KEY, replace(settings, stamp=Stamp(present.created, write.index)))
            write.topics.add(AUTOPILOT)
        return True
