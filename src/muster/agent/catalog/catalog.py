"""What is registered: nodes, instances and checks.

Every write that changes something takes the next index and says which topics it concerns; whoever waits on one of
those asks again. Every read has an index that a blocking query compares: indexes.py has the rules.

Names of nodes and services match without regard to case.
"""

from __future__ import annotations

from collections.abc import Container, Iterable
from dataclasses import replace
from typing import Final, NamedTuple

from muster.agent.catalog.indexes import Indexes
from muster.agent.catalog.rows import NODE_HEALTH_CHECK, CheckRow, NodeRow, ServiceRow, Stamp
from muster.agent.catalog.tables import Checks, Nodes, Services
from muster.agent.catalog.topics import NODES, Topic, node_of
from muster.agent.catalog.writing import Writing
from muster.agent.store.tables import Tables
from muster.agent.store.write import Write
from muster.model.check import Health


class Entry(NamedTuple):
    """An instance with its node and the checks of both, by id, the node's first."""

    node: NodeRow
    service: ServiceRow
    checks: tuple[CheckRow, ...]


class UnknownService(Exception):
    """A check was written for an instance that its node does not have."""


class NoCheckId(Exception):
    """A check was written without an id."""


class NameTaken(Exception):
    """A node with another id has that name, and is alive; the argument is its row."""


class Catalog:
    """Nodes, services and checks, written within a write of `tables`. Synchronous."""

    def __init__(self, tables: Tables) -> None:
        self._all = tables
        self._nodes, self._services, self._checks = Nodes(), Services(), Checks()
        self._writing = Writing(self._nodes, self._services, self._checks)
        self._indexes = Indexes(tables.index, self._nodes, self._services)
        self.tables: Final = (self._nodes, self._services, self._checks)
        tables.join(self._indexes.conclude, *self.tables)

    @property
    def index(self) -> int:
        """The index of the last change, of whichever table of the agent."""
        return self._all.index

    # Writes

    def register(
        self, write: Write, node: NodeRow | None, service: ServiceRow | None = None, checks: Iterable[CheckRow] = ()
    ) -> None:
        """Write a node, an instance and checks.

        What is not named stays as it is; a node whose id is known under another name takes its place. Raises
        UnknownService for a check of an instance that its node does not have, NoCheckId, NameTaken, and KeyError for a
        node that was never written; nothing is written then.
        """
        checks = tuple(checks)
        if node is not None:
            self._require_name(node)
        for check in checks:
            self._require_sound(check, service)
        if node is not None:
            self._writing.put_node(write, node)
        if service is not None:
            self._require_node(service.node)
            self._writing.put_service(write, service)
        for check in checks:
            self._require_node(check.node)
            self._writing.put_check(write, check)

    def deregister_node(self, write: Write, name: str) -> None:
        """Remove a node and everything on it. An unknown one is no change."""
        row = self._nodes.get(name)
        if row is not None:
            self._writing.drop_node(write, row)

    def deregister_service(self, write: Write, node: str, service_id: str) -> None:
        """Remove an instance and its checks. An unknown one is no change."""
        row = self._services.get(node, service_id)
        if row is not None:
            self._writing.drop_service(write, row)

    def deregister_check(self, write: Write, node: str, check_id: str) -> None:
        """Remove a check. An unknown one is no change."""
        row = self._checks.get(node, check_id)
        if row is not None:
            self._writing.drop_check(write, row)

    def adopt(self, write: Write, name: str, node_id: str) -> None:
        """Give a node another id, and keep what is on it. An unknown one is no change."""
        row = self._nodes.get(name)
        if row is not None and row.id != node_id:
            stamp = Stamp(row.stamp.created, write.index)
            write.put(self._nodes, name.lower(), replace(row, id=node_id, stamp=stamp))
            write.topics.update((NODES, node_of(name)))

    # Reads

    def table_index(self, table: Topic) -> int:
        """The index of NODES, SERVICES or CHECKS."""
        return self._indexes.of_table(table)

    def nodes(self) -> list[NodeRow]:
        """Every node, by name."""
        return [row for _, row in sorted(self._nodes.rows())]

    def services(self, on: Container[str] | None = None) -> dict[str, list[str]]:
        """Every name as it is written, with the tags in use by its instances: `Web` and `web` are two here.

        With `on`, names of nodes in lower case, of the instances there alone.
        """
        tags: dict[str, dict[str, None]] = {}
        for (node, _), row in self._services.rows():
            if on is None or node in on:
                tags.setdefault(row.name, {}).update(dict.fromkeys(row.tags))
        return {name: list(tags[name]) for name in sorted(tags)}

    def index_of(self, name: str) -> int:
        """The index of a service, of a name without instances too."""
        return self._indexes.of_service(name)

    def exists(self, name: str) -> bool:
        return self._services.exists(name)

    def instances(self, name: str) -> tuple[ServiceRow, ...]:
        """A service's instances, by node and id; none for an unknown name."""
        return self._services.named(name)

    def entries(self, name: str) -> list[Entry]:
        """A service's instances with their nodes and checks, by node and id."""
        return [self.entry(row) for row in self._services.named(name)]

    def entry(self, row: ServiceRow) -> Entry:
        """An instance with its node and checks."""
        checks = self._checks
        return Entry(self.node(row.node), row, (*checks.of(row.node, ""), *checks.of(row.node, row.id)))

    def node(self, name: str) -> NodeRow:
        """A node by name. Raises KeyError."""
        row = self._nodes.get(name)
        if row is None:
            raise KeyError(name)
        return row

    def has_node(self, name: str) -> bool:
        return name in self._nodes

    def node_with(self, node_id: str) -> NodeRow | None:
        """A node by id, or None."""
        return self._nodes.with_id(node_id)

    def node_index(self, name: str) -> int:
        """The index of a node and what is on it; of an unknown one, that at which a node was last lost."""
        return self._indexes.of_node(name)

    def services_on(self, node: str) -> list[ServiceRow]:
        """The instances on a node, by id; none for an unknown one."""
        rows = self._services.on(node)
        return [rows[key] for key in sorted(rows)]

    def service(self, node: str, service_id: str) -> ServiceRow | None:
        """One instance of a node, or None."""
        return self._services.get(node, service_id)

    def checks_on(self, node: str) -> list[CheckRow]:
        """The checks of a node and of the instances on it, by id; none for an unknown one."""
        return sorted(self._checks.on(node), key=_check_order)

    def check(self, node: str, check_id: str) -> CheckRow | None:
        """One check of a node, or None."""
        return self._checks.get(node, check_id)

    def connected(self, name: str) -> list[Entry]:
        """The instances that take calls for a service over Connect, with nodes and checks, by node and id."""
        return [self.entry(row) for row in self._services.connected(name)]

    def connected_index(self, name: str) -> int:
        """The index of `connected`; where there are none, that of the last change of what can be reached so."""
        rows = self._services.connected(name)
        return max(self.index_of(row.name) for row in rows) if rows else self._indexes.connect

    def checks_of(self, name: str) -> list[CheckRow]:
        """The checks of a service's instances, by node and id of the check."""
        rows = [check for row in self.instances(name) for check in self._checks.of(row.node, row.id)]
        return sorted(rows, key=_check_order)

    def checks(self) -> list[CheckRow]:
        """Every check of every node, by node and id."""
        return sorted((row for _, row in self._checks.rows()), key=_check_order)

    # What a write requires

    def _require_node(self, name: str) -> None:
        if name not in self._nodes:
            raise KeyError(name)

    def _require_sound(self, check: CheckRow, service: ServiceRow | None) -> None:
        """`service` is written with it."""
        with_it = service is not None and (service.node, service.id) == (check.node, check.service_id)
        if check.service_id and not with_it and self._services.get(check.node, check.service_id) is None:
            raise UnknownService(check.service_id)
        if not check.id:
            raise NoCheckId

    def _require_name(self, node: NodeRow) -> None:
        """As in Consul the name of a node that is not known to be alive is free to be taken over."""
        known = self._nodes.get(node.name)
        if known is None or not node.id or not known.id or node.id == known.id:
            return
        alive = self._checks.get(node.name, NODE_HEALTH_CHECK)
        if alive is not None and not alive.service_id and alive.status == Health.PASSING:
            raise NameTaken(known)


def _check_order(row: CheckRow) -> tuple[str, str]:
    return row.node.lower(), row.id
