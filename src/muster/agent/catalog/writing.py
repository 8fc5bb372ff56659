"""The rules of a write to the catalog: what it changes, and which topics it concerns.

A write that changes nothing concerns nobody.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from muster.agent.catalog.rows import CheckRow, NodeRow, ServiceRow, Stamp
from muster.agent.catalog.tables import Checks, Nodes, Services, key_of
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
from muster.agent.store.write import Write


class Writing:
    """Puts rows into the three tables, and takes them out, as one write or a part of one."""

    def __init__(self, nodes: Nodes, services: Services, checks: Checks) -> None:
        self._nodes = nodes
        self._services = services
        self._checks = checks

    def put_node(self, write: Write, row: NodeRow) -> None:
        """Write a node. One of the same id under another name goes, with everything on it."""
        key = row.name.lower()
        created = self._take_over(write, row)
        old = self._nodes.get(key)
        if old == row:
            return
        write.put(self._nodes, key, replace(row, stamp=Stamp(old.stamp.created if old else created, write.index)))
        if old is not None:
            self._touch_services(write, key, instances_of, health_of)
        write.topics.update((NODES, node_of(key)))

    def put_service(self, write: Write, row: ServiceRow) -> None:
        """Write an instance, whose node must be there."""
        old = self._services.get(row.node, row.id)
        if old == row:
            return
        stamp = Stamp(old.stamp.created if old else write.index, write.index)
        write.put(self._services, key_of(row), replace(row, stamp=stamp))
        _touch_service(write, row)
        if old is not None:
            _touch_service(write, old)
            self._note_extinction(write, old)
        if old is not None and old.name != row.name:
            for check in self._checks.of(row.node, row.id):
                self.put_check(write, check)

    def put_check(self, write: Write, row: CheckRow) -> None:
        """Write a check, whose node and instance must be there."""
        if row.service_id:
            row = _as_of(row, self._services.on(row.node)[row.service_id])
        old = self._checks.get(row.node, row.id)
        if old == row:
            return
        stamp = Stamp(old.stamp.created if old else write.index, write.index)
        write.put(self._checks, key_of(row), replace(row, stamp=stamp))
        self._touch_check(write, row)
        if old is not None and old.service_id != row.service_id:
            self._touch_check(write, old)

    def drop_node(self, write: Write, row: NodeRow) -> None:
        """Remove a node and everything on it."""
        for check in list(self._checks.on(row.name)):
            self.drop_check(write, check)
        for service in list(self._services.on(row.name).values()):
            self._drop_instance(write, service)
        write.put(self._nodes, row.name.lower(), None)
        write.topics.update((NODES, node_of(row.name)))

    def drop_service(self, write: Write, row: ServiceRow) -> None:
        """Remove an instance and its checks."""
        for check in self._checks.of(row.node, row.id):
            self.drop_check(write, check)
        self._drop_instance(write, row)

    def drop_check(self, write: Write, row: CheckRow) -> None:
        write.put(self._checks, key_of(row), None)
        self._touch_check(write, row)

    def _take_over(self, write: Write, row: NodeRow) -> int:
        """Remove the node that had the same id under another name. Returns when that id was first seen."""
        old = self._nodes.with_id(row.id) if row.id else None
        if old is None or old.name.lower() == row.name.lower():
            return write.index
        self.drop_node(write, old)
        return old.stamp.created

    def _drop_instance(self, write: Write, row: ServiceRow) -> None:
        write.put(self._services, key_of(row), None)
        _touch_service(write, row)
        self._note_extinction(write, row)

    def _note_extinction(self, write: Write, gone: ServiceRow) -> None:
        if not self._services.exists(gone.name):
            write.topics.add(EXTINCTION)

    def _touch_check(self, write: Write, row: CheckRow) -> None:
        write.topics.update((CHECKS, checks_on(row.node)))
        if row.service_id:
            write.topics.update((health_of(row.service_name), checks_of(row.service_name)))
        else:
            self._touch_services(write, row.node, health_of)

    def _touch_services(self, write: Write, node: str, *topics: Callable[[str], Topic]) -> None:
        for name in {row.name.lower() for row in self._services.on(node).values()}:
            write.topics.update(topic(name) for topic in topics)


def _touch_service(write: Write, row: ServiceRow) -> None:
    write.topics.update((SERVICES, node_of(row.node), instances_of(row.name), health_of(row.name)))
    target = row.connect_target
    if target:
        write.topics.add(connected_to(target))


def _as_of(row: CheckRow, service: ServiceRow) -> CheckRow:
    """The check with its instance's name and tags. Most have them: a copy would be a third of what a write costs."""
    if (row.service_name, row.service_tags) == (service.name, service.tags):
        return row
    return replace(row, service_name=service.name, service_tags=service.tags)
