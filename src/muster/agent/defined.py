"""Services and checks that a configuration defines, kept registered as it says."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import NamedTuple

from muster.agent.api.registration import new_check, service_checks, service_row
from muster.agent.catalog.rows import ServiceRow
from muster.agent.local import LocalServices, NewCheck
from muster.agent.settings import Settings
from muster.agent.store.rows import Rows
from muster.agent.store.tables import Tables

_SERVICE, _CHECK = "service", "check"


class _Wanted(NamedTuple):
    """All that is defined, by id; of each service its row and its checks."""

    services: dict[str, tuple[ServiceRow, list[NewCheck]]]
    checks: dict[str, NewCheck]

    @property
    def keys(self) -> set[tuple[str, ...]]:
        return {*((_SERVICE, name) for name in self.services), *((_CHECK, name) for name in self.checks)}


@dataclass(frozen=True, slots=True)
class Definition:
    """That a service or a check is there because a configuration says so."""

    kind: str


class DefinedServices:
    """What the configuration in force has registered with an agent, so that the next one can take it away: also the
    next one of an agent that keeps its tables, and was told otherwise while it was not running.

    What clients registered is left alone, unless it has the id of something that is defined.
    """

    def __init__(self, tables: Tables, local: LocalServices, node: str) -> None:
        self._tables = tables
        self._local = local
        self._node = node
        self._applied = _Wanted({}, {})
        self._defined: Rows[tuple[str, ...], Definition] = Rows("agent definitions", Definition)
        tables.join(lambda write: None, self._defined, of_agent=True)

    def apply(self, settings: Settings) -> None:
        """Register what `settings` define, and deregister what was defined before and is no longer.

        What is as it was stays untouched, with the state of its checks. A definition that cannot be registered raises
        Refused, before anything is changed; `muster.agent.config` lets none through.
        """
        before, wanted = self._applied, _wanted(settings, self._node)
        self._applied = wanted
        known = set(self._defined.by_key)
        self._remove(known - wanted.keys)
        self._note(wanted.keys - known)
        for service_id, service in wanted.services.items():
            if before.services.get(service_id) != service or service_id not in self._local.services:
                self._local.register_service(*service, replace_checks=(_SERVICE, service_id) in known)
        for check_id, check in wanted.checks.items():
            if before.checks.get(check_id) != check or check_id not in self._local.checks:
                self._local.register_check(check)

    def _remove(self, keys: Iterable[tuple[str, ...]]) -> None:
        for kind, name in sorted(keys):
            (self._local.deregister_service if kind == _SERVICE else self._local.deregister_check)(name)
            with self._tables.write() as write:
                write.put(self._defined, (kind, name), None)

    def _note(self, keys: Iterable[tuple[str, ...]]) -> None:
        """Before they are registered: what is noted and not there does no harm, the other way round it would stay."""
        with self._tables.write() as write:
            for kind, name in keys:
                write.put(self._defined, (kind, name), Definition(kind))


def _wanted(settings: Settings, node: str) -> _Wanted:
    rows = [(asked, service_row(asked, node)) for asked in settings.services]
    services = {row.id: (row, service_checks(asked, row, settings.refuse_defined_scripts)) for asked, row in rows}
    named = {service_id: row for service_id, (row, _) in services.items()}
    refuse = settings.refuse_defined_scripts
    checks = [new_check(asked, node, named.get(asked.service_id), refuse) for asked in settings.checks]
    return _Wanted(services, {check.row.id: check for check in checks})
