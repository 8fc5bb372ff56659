"""The tables of nodes, instances and checks: rows, and by what they are looked up. Nothing here knows of indexes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, TypeVar

from muster.agent.catalog.rows import CheckRow, NodeRow, ServiceRow

_Outer = TypeVar("_Outer")
_Inner = TypeVar("_Inner")
_Row = TypeVar("_Row")

RowKey = tuple[str, str]
"""The name of a node in lower case, and the id of what is on it."""


def key_of(row: ServiceRow | CheckRow) -> RowKey:
    """What an instance or a check is found by."""
    return row.node.lower(), row.id


class Nodes:
    """Nodes by their names in lower case, and by id."""

    name = "nodes"
    row = NodeRow

    def __init__(self) -> None:
        self._rows: dict[str, NodeRow] = {}
        self._names: dict[str, str] = {}

    def __contains__(self, name: str) -> bool:
        return name.lower() in self._rows

    def rows(self) -> Iterable[tuple[str, NodeRow]]:
        return self._rows.items()

    def get(self, name: str) -> NodeRow | None:
        return self._rows.get(name.lower())

    def with_id(self, node_id: str) -> NodeRow | None:
        """The node of an id; None for an unknown or an empty one."""
        name = self._names.get(node_id)
        return None if name is None else self._rows[name]

    def place(self, key: str, row: NodeRow | None) -> NodeRow | None:
        before = self._rows.pop(key, None)
        if before is not None and self._names.get(before.id) == key:
            del self._names[before.id]
        if row is not None:
            self._rows[key] = row
            if row.id:
                self._names[row.id] = key
        return before


@dataclass(slots=True)
class _Named:
    """All instances of one name, sorted when somebody reads them."""

    rows: dict[RowKey, ServiceRow] = field(default_factory=dict[RowKey, ServiceRow])
    in_order: tuple[ServiceRow, ...] | None = None


class Services:
    """Instances by node and id, by name, and by whose calls over Connect they take."""

    name = "services"
    row = ServiceRow

    def __init__(self) -> None:
        self._on: dict[str, dict[str, ServiceRow]] = {}
        self._named: dict[str, _Named] = {}
        self._connect: dict[str, dict[RowKey, ServiceRow]] = {}

    def rows(self) -> Iterator[tuple[RowKey, ServiceRow]]:
        return (((node, row.id), row) for node, rows in self._on.items() for row in rows.values())

    def get(self, node: str, service_id: str) -> ServiceRow | None:
        return self.on(node).get(service_id)

    def on(self, node: str) -> dict[str, ServiceRow]:
        """The instances on a node, by id; do not change it."""
        return self._on.get(node.lower(), _NO_SERVICES)

    def names(self) -> Iterable[str]:
        """Every name, in lower case."""
        return self._named

    def exists(self, name: str) -> bool:
        return name.lower() in self._named

    def named(self, name: str) -> tuple[ServiceRow, ...]:
        """A service's instances, by node and id; none for an unknown name."""
        service = self._named.get(name.lower())
        if service is None:
            return ()
        if service.in_order is None:
            service.in_order = tuple(service.rows[key] for key in sorted(service.rows))
        return service.in_order

    def connected(self, name: str) -> list[ServiceRow]:
        """The instances that take calls for a service over Connect, by node and id."""
        rows = self._connect.get(name.lower(), {})
        return [rows[key] for key in sorted(rows)]

    def place(self, key: RowKey, row: ServiceRow | None) -> ServiceRow | None:
        before = self.on(key[0]).get(key[1])
        if before is not None and (row is None or not _found_alike(before, row)):
            self._take_out(key, before)
        if row is not None:
            self._put_in(key, row)
        return before

    def _put_in(self, key: RowKey, row: ServiceRow) -> None:
        self._on.setdefault(key[0], {})[key[1]] = row
        service = self._named.setdefault(row.name.lower(), _Named())
        service.rows[key] = row
        service.in_order = None
        target = row.connect_target
        if target:
            self._connect.setdefault(target.lower(), {})[key] = row

    def _take_out(self, key: RowKey, row: ServiceRow) -> None:
        _drop(self._on, key[0], key[1])
        service = self._named[row.name.lower()]
        del service.rows[key]
        service.in_order = None
        if not service.rows:
            del self._named[row.name.lower()]
        target = row.connect_target
        if target:
            _drop(self._connect, target.lower(), key)


_NO_SERVICES: Final[dict[str, ServiceRow]] = {}


def _found_alike(one: ServiceRow, other: ServiceRow) -> bool:
    return one.name.lower() == other.name.lower() and one.connect_target.lower() == other.connect_target.lower()


class Checks:
    """Checks by node and id, and by the instance that they are of."""

    name = "checks"
    row = CheckRow

    def __init__(self) -> None:
        self._rows: dict[str, dict[str, CheckRow]] = {}
        self._of: dict[RowKey, dict[str, CheckRow]] = {}

    def rows(self) -> Iterator[tuple[RowKey, CheckRow]]:
        return (((node, row.id), row) for node, rows in self._rows.items() for row in rows.values())

    def get(self, node: str, check_id: str) -> CheckRow | None:
        rows = self._rows.get(node.lower())
        return None if rows is None else rows.get(check_id)

    def on(self, node: str) -> Iterable[CheckRow]:
        """The checks of a node and of the instances on it."""
        return self._rows.get(node.lower(), _NO_CHECKS).values()

    def of(self, node: str, service_id: str) -> list[CheckRow]:
        """The checks of an instance or, with an empty id, of the node itself, by id."""
        rows = self._of.get((node.lower(), service_id))
        if rows is None:
            return []
        return [rows[key] for key in sorted(rows)] if len(rows) > 1 else list(rows.values())

    def place(self, key: RowKey, row: CheckRow | None) -> CheckRow | None:
        before = self.get(*key)
        if before is not None and (row is None or row.service_id != before.service_id):
            _drop(self._rows, key[0], key[1])
            _drop(self._of, (key[0], before.service_id), key[1])
        if row is not None:
            self._rows.setdefault(key[0], {})[key[1]] = row
            self._of.setdefault((key[0], row.service_id), {})[key[1]] = row
        return before


_NO_CHECKS: Final[dict[str, CheckRow]] = {}


def _drop(rows: dict[_Outer, dict[_Inner, _Row]], outer: _Outer, inner: _Inner) -> None:
    """Remove a row, and the group that it leaves empty."""
    group = rows[outer]
    del group[inner]
    if not group:
        del rows[outer]
