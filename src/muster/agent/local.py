"""What is registered with this agent, and how it reaches the catalog.

The agent keeps its own view of its instances and checks, as Consul's does: a check's output that changes alone is
seen at the agent at once and reaches the catalog, and those who watch it, some minutes later.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from random import Random
from typing import NamedTuple

from muster.agent.catalog.catalog import Catalog
from muster.agent.catalog.rows import CheckRow, NodeRow, ServiceRow
from muster.agent.catalog.topics import Topic
from muster.agent.checks.alias import Aliases, judged
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.running import RunningChecks
from muster.agent.checks.state import CriticalSince, Result, expired, reported
from muster.agent.store.rows import Rows
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


@dataclass(frozen=True, slots=True)
class OwnCheck:
    """A check of this agent as it is kept over a restart. `until`: when a TTL check's time is up, in seconds since the
    epoch; 0 for others."""

    row: CheckRow
    definition: CheckDefinition | None
    until: float = field(default=0.0, compare=False)


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
        self._services: Rows[str, ServiceRow] = Rows("agent services", ServiceRow)
        self._kept: Rows[str, OwnCheck] = Rows("agent checks", OwnCheck)
        tables.join(lambda write: None, self._services, self._kept, of_agent=True)
        self._renewed: dict[str, float] = {}
        self._checks: dict[str, _Check] = {}
        self._of_service: dict[str, set[str]] = {}
        self.running = RunningChecks(self._found, self._silent, timing.shortest_interval, self._rng)
        self.aliases = Aliases(self._look_at_alias)

    @property
    def services(self) -> Mapping[str, ServiceRow]:
        """The instances by id; a live view."""
        return self._services.by_key

    @property
    def checks(self) -> dict[str, CheckRow]:
        """The checks by id, as the agent knows them now."""
        return {check_id: check.row for check_id, check in self._checks.items()}

    def register_service(self, row: ServiceRow, checks: Iterable[NewCheck], *, replace_checks: bool) -> None:
        """Write an instance with its checks. A check that it had keeps its state; one that is not named now stays,
        unless `replace_checks`."""
        known = self._services.get(row.id)
        if known is None:
            _log.info("registered %s of %s at %s:%d", row.id, row.name, row.address or "the node", row.port)
        new = tuple(checks)
        with self._tables.write() as write:
            if known != row:
                write.put(self._services, row.id, row)
            if replace_checks:
                for check_id in self._of_service.get(row.id, set()) - {check.row.id for check in new}:
                    self._drop_check(write, check_id)
            if known is not None and known.name != row.name:
                self._rename_checks(write, row)
            self._catalog.register(write, None, row, [self._start(write, check) for check in new])
            if known != row:
                write.topics.add(service_of_agent(row.id))

    def deregister_service(self, service_id: str) -> None:
        """Remove an instance and its checks. An unknown id is fine."""
        if service_id not in self._services:
            return
        _log.info("deregistered %s", service_id)
        with self._tables.write() as write:
            write.put(self._services, service_id, None)
            for check_id in list(self._of_service.get(service_id, ())):
                self._stop(write, check_id)
            self._catalog.deregister_service(write, self._node, service_id)
            write.topics.add(service_of_agent(service_id))

    def register_check(self, new: NewCheck) -> None:
        """Write a check of an instance, which must exist, or of the node. One that was there keeps its state."""
        with self._tables.write() as write:
            self._catalog.register(write, None, None, [self._start(write, new)])

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
        if self._tables.journal is not None:
            self._renewed[check_id] = _until(definition)
        self._found(check_id, reported(health, note, limit))

    def put_back(self, node: NodeRow, service: ServiceRow, check: CheckRow) -> None:
        """Write everything into the catalog again: the agent's node with its own service and check, and all that is
        registered here. What is there already stays untouched."""
        with self._tables.write() as write:
            self._catalog.register(write, node, service, [check])
            for row in self._services.by_key.values():
                self._catalog.register(write, None, row)
            rows = [replace(held.row, output=held.published) for held in self._checks.values()]
            self._catalog.register(write, None, None, rows)

    def take_up(self) -> None:
        """Look after what the tables were filled with, which an agent of this node had: before `put_back`."""
        with self._tables.write() as write:
            for service_id, service in list(self._services.rows()):
                if service.node != self._node:
                    write.put(self._services, service_id, replace(service, node=self._node))
            for check_id, own in self._kept.rows():
                row = replace(own.row, node=self._node, status=Health(own.row.status))
                known = self._catalog.check(self._node, check_id)
                self._checks[check_id] = _Check(row, own.definition, known.output if known else row.output)
                self._of_service.setdefault(row.service_id, set()).add(check_id)

    def resume(self, refuse_scripts: str) -> None:
        """Run the checks that were taken up, after `put_back`. A TTL check that nobody reported on in time, by the
        clock, is critical; others have a whole TTL from now. `refuse_scripts`: why no programs may be run any more,
        empty where they may; a check that would run one is then critical."""
        now, loop_now = time.time(), asyncio.get_running_loop().time()
        for check_id, check in list(self._checks.items()):
            check.critical = check.critical.after(Health(check.row.status), loop_now)
            if refuse_scripts and check.definition is not None and check.definition.kind is Kind.SCRIPT:
                self._found(check_id, Result(Health.CRITICAL, refuse_scripts))
                continue
            self._run(check_id, check.definition)
            if check.row.output != check.published:
                self._publish_later(check)
            own = self._kept.get(check_id)
            if own is not None and 0.0 < own.until < now and check.row.status != Health.CRITICAL:
                self._silent(check_id)

    def save_renewed(self) -> None:
        """Have on the disk until when the TTL checks are good that were reported on since the last call, and outputs
        that changed alone. Consul writes both with each report; once a second is enough to tell, after a restart,
        whether a check's time was up."""
        renewed, self._renewed = self._renewed, {}
        with self._tables.write() as write:
            for check_id, until in renewed.items():
                check = self._checks[check_id]
                write.put(self._kept, check_id, OwnCheck(check.row, check.definition, until))

    def overdue(self, now: float) -> list[str]:
        """The ids of the instances that have been critical for longer than one of their checks allows."""
        return sorted({check.row.service_id for check in self._checks.values() if self._is_overdue(check, now)})

    def _is_overdue(self, check: _Check, now: float) -> bool:
        if check.definition is None or not check.definition.deregister_after or not check.row.service_id:
            return False
        limit = max(check.definition.deregister_after, self._timing.shortest_deregister_after)
        return check.critical.for_longer_than(limit, now)

    def _drop_check(self, write: Write, check_id: str) -> None:
        self._stop(write, check_id)
        self._catalog.deregister_check(write, self._node, check_id)

    def _rename_checks(self, write: Write, row: ServiceRow) -> None:
        for check_id in self._of_service.get(row.id, ()):
            held = self._checks[check_id]
            held.row = replace(held.row, service_name=row.name, service_tags=row.tags)
            self._keep(write, held)

    def _start(self, write: Write, new: NewCheck) -> CheckRow:
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
        self._run(new.row.id, new.definition)
        self._keep(write, check)
        return replace(check.row, output=check.published)

    def _run(self, check_id: str, definition: CheckDefinition | None) -> None:
        self.running.stop(check_id)
        self.aliases.stop(check_id)
        if definition is not None and definition.kind is Kind.ALIAS:
            self.aliases.start(check_id, definition.node or self._node)
        elif definition is not None:
            self.running.start(check_id, definition)

    def _keep(self, write: Write, check: _Check) -> None:
        """Have a check on the disk, if there is one, as it is now, where that is news; its time alone can wait for
        `save_renewed`."""
        if self._tables.journal is None:
            return
        own = OwnCheck(check.row, check.definition, _until(check.definition))
        if self._kept.get(check.row.id) == own:
            self._renewed[check.row.id] = own.until
        else:
            write.put(self._kept, check.row.id, own)

    def _stop(self, write: Write, check_id: str) -> None:
        if check_id in self._kept:
            write.put(self._kept, check_id, None)
        self._renewed.pop(check_id, None)
        self._run(check_id, None)
        check = self._checks.pop(check_id)
        if check.publishing is not None:
            check.publishing.cancel()
        siblings = self._of_service[check.row.service_id]
        siblings.discard(check_id)
        if not siblings:
            del self._of_service[check.row.service_id]

    def _look_at_alias(self, check_id: str) -> None:
        alias = self._checks[check_id].definition
        assert alias is not None, "only what is defined is looked at"
        if alias.node:
            checks = self._catalog.checks_on(alias.node)
            exists = self._is_there(alias.node, alias.target)
        else:
            near = {*self._of_service.get("", ()), *self._of_service.get(alias.target, ())}
            checks = [self._checks[near_id].row for near_id in near]
            exists = alias.target in self._services
        self._found(check_id, judged(checks, alias, check_id, exists=exists))

    def _is_there(self, node: str, service_id: str) -> bool:
        if not service_id:
            return self._catalog.has_node(node)
        return self._catalog.service(node, service_id) is not None

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
            self._renewed.setdefault(check_id, 0.0)
            self._publish_later(check)

    def _publish(self, check_id: str) -> None:
        check = self._checks[check_id]
        if check.publishing is not None:
            check.publishing.cancel()
            check.publishing = None
        check.published = check.row.output
        with self._tables.write() as write:
            self._keep(write, check)
            self._catalog.register(write, None, None, [check.row])

    def _publish_later(self, check: _Check) -> None:
        """Half the time and up to one and a half, at random, so that many checks do not publish at once."""
        if check.publishing is None:
            delay = self._timing.publish_output_after * (0.5 + self._rng.random())
            check.publishing = asyncio.get_running_loop().call_later(delay, self._publish, check.row.id)


def _until(definition: CheckDefinition | None) -> float:
    """When the time of a TTL check is up that is reported on now, in seconds since the epoch; 0 for others."""
    return time.time() + definition.ttl if definition is not None and definition.kind is Kind.TTL else 0.0
