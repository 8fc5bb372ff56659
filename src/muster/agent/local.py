"""What is registered with this agent, and how it reaches the catalog.

The agent keeps its own view of its instances and checks, as Consul's does: a check's output that changes alone is
seen at the agent at once and reaches the catalog, and those who watch it, some minutes later.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from types import MappingProxyType
from typing import NamedTuple

from muster.agent.catalog.catalog import Catalog
from muster.agent.catalog.rows import CheckRow, NodeRow, ServiceRow
from muster.agent.catalog.topics import Topic
from muster.agent.checks.definition import CheckDefinition
from muster.agent.checks.running import RunningChecks
from muster.agent.checks.state import CriticalSince, Result, expired, reported
from muster.agent.store.tables import Tables
from muster.agent.store.write import Write
from muster.model.check import Health

_log = logging.getLogger("muster.agent.local")


def service_of_agent(service_id: str) -> Topic:
    """One instance in the agent's own view."""
    return ("agent service", service_id)


@dataclass(frozen=True, slots=True)
class Timing:
    """Consul's own times, in seconds; tests make them shorter.

    `shortest_interval` and `shortest_deregister_after` are what smaller values in a check are raised to. Checks that
    have been critical for too long are looked for every `reap_every`. `publish_output_after`: how long, about, the
    changed output of a check waits before the catalog has it.
    """

    shortest_interval: float = 1.0
    shortest_deregister_after: float = 60.0
    reap_every: float = 30.0
    publish_output_after: float = 300.0


class NewCheck(NamedTuple):
    """A check to be registered. A definition of None: nobody looks, the state stays as it is."""

    row: CheckRow
    definition: CheckDefinition | None


class NotATTLCheck(Exception):
    """A report for a check that does not exist or that the agent looks after itself."""


@dataclass(slots=True)
class _Check:
    """One check: what the agent knows, the output that the catalog has, and the timer that will bring it up to date."""

    row: CheckRow
    definition: CheckDefinition | None
    published: str
    critical: CriticalSince = field(default_factory=CriticalSince)
    publishing: asyncio.TimerHandle | None = None


class LocalServices:
    """The instances and checks of this agent. Every method is synchronous and done when it returns.

    For use on one event loop, while `running` is entered.
    """

    def __init__(self, node: str, tables: Tables, catalog: Catalog, timing: Timing) -> None:
        self._node = node
        self._tables = tables
        self._catalog = catalog
        self._timing = timing
        self._rng = Random()
        self._services: dict[str, ServiceRow] = {}
        self._checks: dict[str, _Check] = {}
        self._of_service: dict[str, set[str]] = {}
        self.running = RunningChecks(self._found, self._silent, timing.shortest_interval, self._rng)

    @property
    def services(self) -> Mapping[str, ServiceRow]:
        """The instances by id; a live view."""
        return MappingProxyType(self._services)

    @property
    def checks(self) -> dict[str, CheckRow]:
        """The checks by id, as the agent knows them now."""
        return {check_id: check.row for check_id, check in self._checks.items()}

    def register_service(self, row: ServiceRow, checks: Iterable[NewCheck], *, replace_checks: bool) -> None:
        """Write an instance with its checks. A check that it had keeps its state; one that is not named now stays,
        unless `replace_checks`."""
        known = self._services.get(row.id)
        self._services[row.id] = row
        if known is None:
            _log.info("registered %s of %s at %s:%d", row.id, row.name, row.address or "the node", row.port)
        new = tuple(checks)
        with self._tables.write() as write:
            if replace_checks:
                for check_id in self._of_service.get(row.id, set()) - {check.row.id for check in new}:
                    self._drop_check(write, check_id)
            if known is not None and known.name != row.name:
                self._rename_checks(row)
            self._catalog.register(write, None, row, [self._start(check) for check in new])
            if known != row:
                write.topics.add(service_of_agent(row.id))

    def deregister_service(self, service_id: str) -> None:
        """Remove an instance and its checks. An unknown id is fine."""
        if self._services.pop(service_id, None) is None:
            return
        _log.info("deregistered %s", service_id)
        with self._tables.write() as write:
            for check_id in list(self._of_service.get(service_id, ())):
                self._stop(check_id)
            self._catalog.deregister_service(write, self._node, service_id)
            write.topics.add(service_of_agent(service_id))

    def register_check(self, new: NewCheck) -> None:
        """Write a check of an instance, which must exist, or of the node. One that was there keeps its state."""
        with self._tables.write() as write:
            self._catalog.register(write, None, None, [self._start(new)])

    def deregister_check(self, check_id: str) -> None:
        """Remove a check. An unknown id is fine."""
        if check_id in self._checks:
            with self._tables.write() as write:
                self._drop_check(write, check_id)

    def report(self, check_id: str, health: Health, note: str) -> None:
        """A heartbeat: set a TTL check's state and start its time anew. Raises NotATTLCheck."""
        if not self.running.renew(check_id):
            raise NotATTLCheck(check_id)
        definition = self._checks[check_id].definition
        limit = definition.output_limit if definition else 0
        self._found(check_id, reported(health, note, limit))

    def put_back(self, node: NodeRow, service: ServiceRow, check: CheckRow) -> None:
        """Write everything into the catalog again: the agent's node with its own service and check, and all that is
        registered here. What is there already stays untouched."""
        with self._tables.write() as write:
            self._catalog.register(write, node, service, [check])
            for row in self._services.values():
                self._catalog.register(write, None, row)
            rows = [replace(held.row, output=held.published) for held in self._checks.values()]
            self._catalog.register(write, None, None, rows)

    def overdue(self, now: float) -> list[str]:
        """The ids of the instances that have been critical for longer than one of their checks allows."""
        return sorted({check.row.service_id for check in self._checks.values() if self._is_overdue(check, now)})

    def _is_overdue(self, check: _Check, now: float) -> bool:
        if check.definition is None or not check.definition.deregister_after or not check.row.service_id:
            return False
        limit = max(check.definition.deregister_after, self._timing.shortest_deregister_after)
        return check.critical.for_longer_than(limit, now)

    def _drop_check(self, write: Write, check_id: str) -> None:
        self._stop(check_id)
        self._catalog.deregister_check(write, self._node, check_id)

    def _rename_checks(self, row: ServiceRow) -> None:
        for check_id in self._of_service.get(row.id, ()):
            held = self._checks[check_id]
            held.row = replace(held.row, service_name=row.name, service_tags=row.tags)

    def _start(self, new: NewCheck) -> CheckRow:
        """Keep the check and run it. Returns the row for the catalog.

        One that takes the place of another of the same id keeps its state, and what is still to be published stays so.
        """
        known = self._checks.get(new.row.id)
        check = _Check(new.row, new.definition, new.row.output)
        if known is not None:
            check.row = replace(new.row, status=known.row.status, output=known.row.output)
            check.published, check.publishing = known.published, known.publishing
            self._of_service[known.row.service_id].discard(new.row.id)
        self._checks[new.row.id] = check
        self._of_service.setdefault(new.row.service_id, set()).add(new.row.id)
        if new.definition is None:
            self.running.stop(new.row.id)
        else:
            self.running.start(new.row.id, new.definition)
        return replace(check.row, output=check.published)

    def _stop(self, check_id: str) -> None:
        self.running.stop(check_id)
        check = self._checks.pop(check_id)
        if check.publishing is not None:
            check.publishing.cancel()
        siblings = self._of_service[check.row.service_id]
        siblings.discard(check_id)
        if not siblings:
            del self._of_service[check.row.service_id]

    def _silent(self, check_id: str) -> None:
        self._found(check_id, expired(self._checks[check_id].row.output))

    def _found(self, check_id: str, result: Result) -> None:
        check = self._checks[check_id]
        check.critical = check.critical.after(result.health, asyncio.get_running_loop().time())
        if check.row.status is not result.health:
            _log.info("check %s is %s: %.200s", check_id, result.health, result.output)
            check.row = replace(check.row, status=result.health, output=result.output)
            self._publish(check_id)
        elif check.row.output != result.output:
            check.row = replace(check.row, output=result.output)
            self._publish_later(check)

    def _publish(self, check_id: str) -> None:
        check = self._checks[check_id]
        if check.publishing is not None:
            check.publishing.cancel()
            check.publishing = None
        check.published = check.row.output
        with self._tables.write() as write:
            self._catalog.register(write, None, None, [check.row])

    def _publish_later(self, check: _Check) -> None:
        """Half the time and up to one and a half, at random, so that many checks do not publish at once."""
        if check.publishing is None:
            delay = self._timing.publish_output_after * (0.5 + self._rng.random())
            check.publishing = asyncio.get_running_loop().call_later(delay, self._publish, check.row.id)
