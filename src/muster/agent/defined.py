"""Services and checks that a configuration defines, kept registered as it says."""

from __future__ import annotations

from typing import NamedTuple

from muster.agent.api.registration import new_check, service_checks, service_row
from muster.agent.catalog.rows import ServiceRow
from muster.agent.local import LocalServices, NewCheck
from muster.agent.settings import Settings


class _Wanted(NamedTuple):
    """All that is defined, by id; of each service its row and its checks."""

    services: dict[str, tuple[ServiceRow, list[NewCheck]]]
    checks: dict[str, NewCheck]


class DefinedServices:
    """What the configuration in force has registered with an agent, so that the next one can take it away.

    What clients registered is left alone, unless it has the id of something that is defined.
    """

    def __init__(self, local: LocalServices, node: str) -> None:
        self._local = local
        self._node = node
        self._applied = _Wanted({}, {})

    def apply(self, settings: Settings) -> None:
        """Register what `settings` define, and deregister what was defined before and is no longer.

        What is as it was stays untouched, with the state of its checks. A definition that cannot be registered raises
        Refused, before anything is changed; `muster.agent.config` lets none through.
        """
        before, wanted = self._applied, _wanted(settings, self._node)
        self._applied = wanted
        for check_id in before.checks.keys() - wanted.checks.keys():
            self._local.deregister_check(check_id)
        for service_id in before.services.keys() - wanted.services.keys():
            self._local.deregister_service(service_id)
        for service_id, service in wanted.services.items():
            if before.services.get(service_id) != service or service_id not in self._local.services:
                self._local.register_service(*service, replace_checks=service_id in before.services)
        for check_id, check in wanted.checks.items():
            if before.checks.get(check_id) != check or check_id not in self._local.checks:
                self._local.register_check(check)


def _wanted(settings: Settings, node: str) -> _Wanted:
    rows = [(asked, service_row(asked, node)) for asked in settings.services]
    services = {row.id: (row, service_checks(asked, row, settings.refuse_defined_scripts)) for asked, row in rows}
    named = {service_id: row for service_id, (row, _) in services.items()}
    refuse = settings.refuse_defined_scripts
    checks = [new_check(asked, node, named.get(asked.service_id), refuse) for asked in settings.checks]
    return _Wanted(services, {check.row.id: check for check in checks})
