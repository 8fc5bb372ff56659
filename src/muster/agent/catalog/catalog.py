"""The tables, their indexes, and which topics each write concerns.

Every write that changes something takes the next index and says which topics it concerns; whoever waits on one of
those asks again. Every read returns the index that a blocking query compares, by Consul's rules:

- catalog/nodes and catalog/services have the index of their table's last change.
- A service's index is that of the last change of its instances, their checks, their nodes or those nodes' checks.
- A service without instances has the index at which any service last lost its last instance: that, and nothing else
  about other services, ends a query that waits for it to appear, and is why such waiters wake a little too often.
- health/checks, health/node and health/state have the index of the table of checks.
- A node's index is that of its own last change, or of its services'; of a node that is gone, that of its going.
- The index of what can be reached over Connect is that of the services that are reached so.

Names of nodes and services match without regard to case. A write that changes nothing moves nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import NamedTuple

from muster.agent.catalog.rows import NODE_HEALTH_CHECK, CheckRow, NodeRow, ServiceRow, Stamp
from muster.agent.catalog.sequence import Sequence
from muster.agent.catalog.topics import (
    CHECKS,
    EXTINCTION,
    NODES,
    SERVICES,
    Topic,
    checks_of,
    checks_on,
    connected_to,
    health_of,
    instances_of,
    node_of,
)
from muster.model.check import Health


@dataclass(slots=True)
class _Service:
    """All instances of one name, sorted when somebody reads them."""

    index: int = 0
    rows: dict[tuple[str, str], ServiceRow] = field(default_factory=dict[tuple[str, str], ServiceRow])
    in_order: tuple[ServiceRow, ...] | None = ()


@dataclass(slots=True)
class _Node:
    """One node with everything on it. `checks` has the checks of an instance under its id, the node's own under ""."""

    row: NodeRow
    index: int
    services: dict[str, ServiceRow] = field(default_factory=dict[str, ServiceRow])
    checks: dict[str, dict[str, CheckRow]] = field(default_factory=dict[str, dict[str, CheckRow]])
    owners: dict[str, str] = field(default_factory=dict[str, str])


class Entry(NamedTuple):
    """An instance with its node and the checks of both, by id, the node's first."""

    node: NodeRow
    service: ServiceRow
    checks: tuple[CheckRow, ...]


class UnknownService(Exception):
    """A check was written for an instance that its node does not have."""


class NameTaken(Exception):
    """A node with another id has that name, and is alive; the argument is its row."""


class Catalog:
    """Nodes, services and checks. Synchronous; one write at a time; no caller may await within one.

    `first_index` must be above every index that an earlier catalog gave out to the same clients: to a client that
    waits with a greater index than the present one no change is news.
    """

    def __init__(self, first_index: int) -> None:
        self.sequence = Sequence(first_index)
        self._nodes: dict[str, _Node] = {}
        self._node_names: dict[str, str] = {}
        self._services: dict[str, _Service] = {}
        self._connect: dict[str, dict[tuple[str, str], ServiceRow]] = {}
        self._last = {NODES: self.index, SERVICES: self.index, CHECKS: self.index}
        self._extinction = 0
        self._connect_index = self.index
        self._lost_nodes = 1

    @property
    def index(self) -> int:
        """The index of the last change, of whichever table."""
        return self.sequence.last

    # Writes

    def register(
        self, node: NodeRow | None, service: ServiceRow | None = None, checks: Iterable[CheckRow] = ()
    ) -> frozenset[Topic]:
        """Write a node, an instance and checks, all at one index. Returns the topics concerned.

        What is not named stays as it is; a node whose id is known under another name takes its place. Raises
        UnknownService for a check of an instance that its node does not have, NameTaken, and KeyError for a node that
        was never written; nothing is written then.
        """
        checks = tuple(checks)
        if node is not None:
            self._require_name(node)
        self._require_services(service, checks)
        write = _Write(self.index + 1)
        if node is not None:
            self._put_node(write, node)
        if service is not None:
            self._put_service(write, service)
        for check in checks:
            self._put_check(write, check)
        return self._commit(write)

    def deregister_node(self, name: str) -> frozenset[Topic]:
        """Remove a node and everything on it. Returns the topics concerned: none for an unknown one."""
        write = _Write(self.index + 1)
        if name.lower() in self._nodes:
            self._drop_node(write, name.lower())
        return self._commit(write)

    def deregister_service(self, node: str, service_id: str) -> frozenset[Topic]:
        """Remove an instance and its checks. Returns the topics concerned: none for an unknown one."""
        write = _Write(self.index + 1)
        place = self._nodes.get(node.lower())
        if place is not None and service_id in place.services:
            for check_id in list(place.checks.get(service_id, ())):
                self._drop_check(write, place, check_id)
            self._drop_service(write, place.services.pop(service_id))
        return self._commit(write)

    def deregister_check(self, node: str, check_id: str) -> frozenset[Topic]:
        """Remove a check. Returns the topics concerned: none for an unknown one."""
        write = _Write(self.index + 1)
        place = self._nodes.get(node.lower())
        if place is not None and check_id in place.owners:
            self._drop_check(write, place, check_id)
        return self._commit(write)

    # Reads

    def table_index(self, table: Topic) -> int:
        """The index of NODES, SERVICES or CHECKS."""
        return self._last[table]

    def nodes(self) -> list[NodeRow]:
        """Every node, by name."""
        return [self._nodes[name].row for name in sorted(self._nodes)]

    def services(self) -> dict[str, list[str]]:
        """Every name, with the tags in use by its instances."""
        names: dict[str, list[str]] = {}
        for name in sorted(self._services):
            rows = self._in_order(self._services[name])
            names[rows[0].name] = list(dict.fromkeys(tag for row in rows for tag in row.tags))
        return names

    def index_of(self, name: str) -> int:
        """The index of a service, of a name without instances too."""
        service = self._services.get(name.lower())
        if service is not None:
            return service.index
        return self._extinction or max(self._last.values())

    def exists(self, name: str) -> bool:
        return name.lower() in self._services

    def instances(self, name: str) -> tuple[ServiceRow, ...]:
        """A service's instances, by node and id; none for an unknown name."""
        service = self._services.get(name.lower())
        return () if service is None else self._in_order(service)

    def entries(self, name: str) -> list[Entry]:
        """A service's instances with their nodes and checks, by node and id."""
        return [self._entry(row) for row in self.instances(name)]

    def node(self, name: str) -> NodeRow:
        """A node by name. Raises KeyError."""
        return self._nodes[name.lower()].row

    def has_node(self, name: str) -> bool:
        return name.lower() in self._nodes

    def node_index(self, name: str) -> int:
        """The index of a node and what is on it; of an unknown one, that at which a node was last lost."""
        place = self._nodes.get(name.lower())
        return self._lost_nodes if place is None else place.index

    def services_on(self, node: str) -> list[ServiceRow]:
        """The instances on a node, by id; none for an unknown one."""
        place = self._nodes.get(node.lower())
        return [] if place is None else [place.services[key] for key in sorted(place.services)]

    def checks_on(self, node: str) -> list[CheckRow]:
        """The checks of a node and of the instances on it, by id; none for an unknown one."""
        place = self._nodes.get(node.lower())
        rows = () if place is None else (check for of_one in place.checks.values() for check in of_one.values())
        return sorted(rows, key=_check_order)

    def check(self, node: str, check_id: str) -> CheckRow | None:
        """One check of a node, or None."""
        place = self._nodes.get(node.lower())
        owner = None if place is None else place.owners.get(check_id)
        return None if place is None or owner is None else place.checks[owner][check_id]

    def connected(self, name: str) -> list[Entry]:
        """The instances that take calls for a service over Connect, with nodes and checks, by node and id."""
        rows = self._connect.get(name.lower(), {})
        return [self._entry(rows[key]) for key in sorted(rows)]

    def connected_index(self, name: str) -> int:
        """The index of `connected`; where there are none, that of the last change of what can be reached so."""
        rows = self._connect.get(name.lower())
        return max(self.index_of(row.name) for row in rows.values()) if rows else self._connect_index

    def checks_of(self, name: str) -> list[CheckRow]:
        """The checks of a service's instances, by node and id of the check."""
        rows = [
            check
            for row in self.instances(name)
            for check in self._nodes[row.node.lower()].checks.get(row.id, {}).values()
        ]
        return sorted(rows, key=_check_order)

    def checks(self) -> list[CheckRow]:
        """Every check of every node, by node and id."""
        rows = [
            check for place in self._nodes.values() for of_one in place.checks.values() for check in of_one.values()
        ]
        return sorted(rows, key=_check_order)

    # How a write is made

    def _require_services(self, service: ServiceRow | None, checks: tuple[CheckRow, ...]) -> None:
        for check in checks:
            if not check.service_id or (service and (service.node, service.id) == (check.node, check.service_id)):
                continue
            place = self._nodes.get(check.node.lower())
            if place is None or check.service_id not in place.services:
                raise UnknownService(check.service_id)

    def _require_name(self, node: NodeRow) -> None:
        """As in Consul the name of a node that is not known to be alive is free to be taken over."""
        place = self._nodes.get(node.name.lower())
        if place is None or not node.id or not place.row.id or node.id == place.row.id:
            return
        alive = place.checks.get("", {}).get(NODE_HEALTH_CHECK)
        if alive is not None and alive.status == Health.PASSING:
            raise NameTaken(place.row)

    def _commit(self, write: _Write) -> frozenset[Topic]:
        if write.topics:
            self.sequence.last = write.index
        for topic in write.topics & self._last.keys():
            self._last[topic] = write.index
        return frozenset(write.topics)

    def _put_node(self, write: _Write, row: NodeRow) -> None:
        key = row.name.lower()
        created = self._take_over(write, row)
        place = self._nodes.get(key)
        if place is None:
            self._nodes[key] = _Node(replace(row, stamp=Stamp(created, write.index)), write.index)
        elif place.row == row:
            return
        else:
            place.row = replace(row, stamp=Stamp(place.row.stamp.created, write.index))
            self._touch_services(write, place, instances_of, health_of)
        if row.id:
            self._node_names[row.id] = key
        self._touch_node(write, key)
        write.topics.add(NODES)

    def _take_over(self, write: _Write, row: NodeRow) -> int:
        """Remove the node that had the same id under another name. Returns when that id was first seen."""
        old = self._node_names.get(row.id) if row.id else None
        if old is None or old == row.name.lower():
            return write.index
        created = self._nodes[old].row.stamp.created
        self._drop_node(write, old)
        return created

    def _drop_node(self, write: _Write, key: str) -> None:
        place = self._nodes[key]
        for check_id in list(place.owners):
            self._drop_check(write, place, check_id)
        for row in list(place.services.values()):
            self._drop_service(write, place.services.pop(row.id))
        del self._nodes[key]
        self._node_names.pop(place.row.id, None)
        self._lost_nodes = write.index
        write.topics.update((NODES, node_of(key)))

    def _put_service(self, write: _Write, row: ServiceRow) -> None:
        place = self._nodes[row.node.lower()]
        old = place.services.get(row.id)
        if old == row:
            return
        new = replace(row, stamp=Stamp(old.stamp.created if old else write.index, write.index))
        if old is not None:
            self._disconnect(write, old)
            if old.name.lower() != new.name.lower():
                self._drop_service(write, old)
        place.services[row.id] = new
        self._connect_row(write, new)
        self._touch_node(write, row.node)
        service = self._services.setdefault(row.name.lower(), _Service())
        service.rows[row.node.lower(), row.id] = new
        service.in_order = None
        self._touch_service(write, row.name, instances_of, health_of)
        write.topics.add(SERVICES)
        if old is not None and old.name != new.name:
            for check in list(place.checks.get(row.id, {}).values()):
                self._put_check(write, check)

    def _put_check(self, write: _Write, row: CheckRow) -> None:
        place = self._nodes[row.node.lower()]
        if row.service_id:
            service = place.services[row.service_id]
            row = replace(row, service_name=service.name, service_tags=service.tags)
        owner = place.owners.get(row.id)
        old = None if owner is None else place.checks[owner][row.id]
        if old == row:
            return
        if old is not None and old.service_id != row.service_id:
            self._drop_check(write, place, row.id)
        place.owners[row.id] = row.service_id
        stamp = Stamp(old.stamp.created if old else write.index, write.index)
        place.checks.setdefault(row.service_id, {})[row.id] = replace(row, stamp=stamp)
        self._touch_check(write, place, row)

    def _drop_check(self, write: _Write, place: _Node, check_id: str) -> None:
        owner = place.owners.pop(check_id)
        row = place.checks[owner].pop(check_id)
        if not place.checks[owner]:
            del place.checks[owner]
        self._touch_check(write, place, row)

    def _connect_row(self, write: _Write, row: ServiceRow) -> None:
        target = row.connect_target
        if target:
            self._connect.setdefault(target.lower(), {})[row.node.lower(), row.id] = row
            self._connect_index = write.index
            write.topics.add(connected_to(target))

    def _disconnect(self, write: _Write, row: ServiceRow) -> None:
        target = row.connect_target.lower()
        rows = self._connect.get(target, {})
        if rows.pop((row.node.lower(), row.id), None) is None:
            return
        if not rows:
            del self._connect[target]
        self._connect_index = write.index
        write.topics.add(connected_to(target))

    def _drop_service(self, write: _Write, row: ServiceRow) -> None:
        self._disconnect(write, row)
        self._touch_node(write, row.node)
        key = row.name.lower()
        service = self._services[key]
        del service.rows[row.node.lower(), row.id]
        service.in_order = None
        self._touch_service(write, row.name, instances_of, health_of)
        write.topics.add(SERVICES)
        if not service.rows:
            del self._services[key]
            self._extinction = write.index
            write.topics.add(EXTINCTION)

    def _touch_check(self, write: _Write, place: _Node, row: CheckRow) -> None:
        write.topics.update((CHECKS, checks_on(row.node)))
        if row.service_id:
            self._touch_service(write, row.service_name, health_of, checks_of)
        else:
            self._touch_services(write, place, health_of)

    def _touch_node(self, write: _Write, name: str) -> None:
        write.topics.add(node_of(name))
        place = self._nodes.get(name.lower())
        if place is not None:
            place.index = write.index

    def _touch_services(self, write: _Write, place: _Node, *topics: Callable[[str], Topic]) -> None:
        for name in {row.name.lower() for row in place.services.values()}:
            self._touch_service(write, name, *topics)

    def _touch_service(self, write: _Write, name: str, *topics: Callable[[str], Topic]) -> None:
        write.topics.update(topic(name) for topic in topics)
        service = self._services.get(name.lower())
        if service is not None:
            service.index = write.index

    def _entry(self, row: ServiceRow) -> Entry:
        place = self._nodes[row.node.lower()]
        of_node, of_service = place.checks.get("", {}), place.checks.get(row.id, {})
        checks = (*sorted(of_node.values(), key=_check_order), *sorted(of_service.values(), key=_check_order))
        return Entry(place.row, row, checks)

    @staticmethod
    def _in_order(service: _Service) -> tuple[ServiceRow, ...]:
        if service.in_order is None:
            service.in_order = tuple(service.rows[key] for key in sorted(service.rows))
        return service.in_order


@dataclass(slots=True)
class _Write:
    """One transaction under way: its index, and the topics concerned so far."""

    index: int
    topics: set[Topic] = field(default_factory=set[Topic])


def _check_order(row: CheckRow) -> tuple[str, str]:
    return row.node.lower(), row.id
