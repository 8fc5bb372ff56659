"""The operations on nodes, instances and checks in a transaction."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import msgspec

from muster.agent.api.answer import Refused
from muster.agent.api.body import Dialect, decoded_as
from muster.agent.api.operation import Failed
from muster.agent.api.registration import LARGEST_WEIGHT, WILDCARDS, validate_meta
from muster.agent.api.uuids import uuid_complaint
from muster.agent.catalog import views
from muster.agent.catalog.catalog import Catalog, NameTaken, NoCheckId, UnknownService
from muster.agent.catalog.rows import CheckRow, NodeRow, ServiceRow
from muster.agent.store.write import Write
from muster.model.check import Health
from muster.registry.consul import wire
from muster.registry.consul.duration import format_duration, parse_duration

NO_CHECK_ID = "failed inserting check: object missing primary index"


class _Subject(Protocol):
    """What an operation is about: a node, an instance or a check."""

    kind: str
    index: int

    @property
    def called(self) -> str:
        """What it is called in an error."""
        ...

    def prepare(self) -> None:
        """Raises Failed for what is not written, whatever there is."""
        ...

    def find(self) -> NodeRow | ServiceRow | CheckRow | None: ...

    def show(self) -> wire.Wire:
        """It as JSON; it must be there."""
        ...

    def put(self, write: Write) -> None:
        """Write it. Raises Failed."""
        ...

    def drop(self, write: Write) -> None:
        """Remove it; one that is not there is no change."""
        ...


@dataclass(frozen=True, slots=True)
class CatalogOperation:
    """What to do, and with what."""

    verb: str
    subject: _Subject

    @property
    def reads_only(self) -> bool:
        return self.verb == "get"

    def prepare(self) -> None:
        if self.verb != "get":
            self.subject.prepare()

    def run(self, write: Write) -> list[dict[str, Any]]:
        verb = _VERBS.get(self.verb)
        if verb is None:
            raise Failed(f'unknown {self.subject.kind} verb "{self.verb}"')
        verb(self, write)
        return [] if self.verb.startswith("delete") else [{self.subject.kind: self.subject.show()}]

    def get(self, write: Write) -> None:
        if self.subject.find() is None:
            raise Failed(f"{self.subject.called} doesn't exist")

    def set(self, write: Write) -> None:
        self.subject.put(write)

    def set_if(self, write: Write) -> None:
        """An index of 0 means that it is not there."""
        if self._modified() != self.subject.index:
            raise Failed(f"failed to set {self.subject.called}, index is stale")
        self.subject.put(write)

    def delete(self, write: Write) -> None:
        self.subject.drop(write)

    def delete_if(self, write: Write) -> None:
        modified = self._modified()
        if not modified or modified != self.subject.index:
            raise Failed(f"failed to delete {self.subject.called}, index is stale")
        self.subject.drop(write)

    def _modified(self) -> int:
        row = self.subject.find()
        return 0 if row is None else row.stamp.modified


_VERBS: Mapping[str, Callable[[CatalogOperation, Write], None]] = {
    "get": CatalogOperation.get,
    "set": CatalogOperation.set,
    "cas": CatalogOperation.set_if,
    "delete": CatalogOperation.delete,
    "delete-cas": CatalogOperation.delete_if,
}


class _Node:
    kind = "Node"

    def __init__(self, catalog: Catalog, datacenter: str, asked: wire.TransactionNode) -> None:
        self._catalog = catalog
        self._datacenter = datacenter
        self._asked = asked
        self.index = asked.modify_index

    @property
    def called(self) -> str:
        return f'node "{self._asked.node}"'

    def prepare(self) -> None:
        if not self._asked.node:
            raise Failed("Must provide node")
        complaint = uuid_complaint(self._asked.id) if self._asked.id else ""
        if complaint:
            raise Failed(f"Bad node ID: {complaint}")

    def find(self) -> NodeRow | None:
        """By id where one is given, whatever the name."""
        if not self._asked.id:
            return self._catalog.node(self._asked.node) if self._catalog.has_node(self._asked.node) else None
        complaint = uuid_complaint(self._asked.id)
        if complaint:
            raise Failed(f"node lookup by ID failed, wrong UUID: {complaint} for '{self._asked.id}'")
        return self._catalog.node_with(self._asked.id.lower())

    def show(self) -> wire.Wire:
        row = self.find()
        assert row is not None
        return views.node(row)

    def put(self, write: Write) -> None:
        asked = self._asked
        row = NodeRow(
            name=asked.node,
            address=asked.address,
            id=asked.id.lower(),
            datacenter=asked.datacenter or self._datacenter,
            tagged_addresses=asked.tagged_addresses,
            meta=asked.meta,
        )
        try:
            self._catalog.register(write, row)
        except NameTaken as error:
            raise Failed(name_taken(asked.id, asked.node, error.args[0])) from None

    def drop(self, write: Write) -> None:
        self._catalog.deregister_node(write, self._asked.node)


def name_taken(node_id: str, name: str, holder: NodeRow) -> str:
    """Why a node cannot have a name that another has."""
    return (
        f'Error while renaming Node ID: "{node_id}": Node name {name} is reserved by node {holder.id} '
        f"with name {holder.name} ({holder.address})"
    )


class _Service:
    kind = "Service"

    def __init__(self, catalog: Catalog, node: str, asked: wire.TransactionService, *, reads: bool) -> None:
        self._catalog = catalog
        self._node = node
        self._asked = asked
        self._id = asked.id if reads else asked.id or asked.service
        self.index = asked.modify_index

    @property
    def called(self) -> str:
        return f'service "{self._id}" on node "{self._node}"'

    def prepare(self) -> None:
        if self._id and not self._asked.service:
            raise Failed("Must provide service name with ID")
        if self._asked.address in WILDCARDS:
            raise Failed("Invalid service address")

    def find(self) -> ServiceRow | None:
        return self._catalog.service(self._node, self._id)

    def show(self) -> wire.Wire:
        row = self.find()
        assert row is not None
        view = views.node_service(row)
        return msgspec.structs.replace(view, tags=view.tags or None)

    def put(self, write: Write) -> None:
        self._require_good_meta()
        if not self._catalog.has_node(self._node):
            raise Failed("Missing node registration")
        if not self._id:
            raise Failed("failed inserting service: object missing primary index")
        self._catalog.register(write, None, self._row())

    def drop(self, write: Write) -> None:
        self._catalog.deregister_service(write, self._node, self._id)

    def _require_good_meta(self) -> None:
        try:
            validate_meta(self._asked.meta or {}, f"Service Meta for node {self._node} and serviceID {self._id}")
        except Refused as refused:
            raise Failed(str(refused)) from None

    def _row(self) -> ServiceRow:
        asked, weights = self._asked, _good_weights(self._asked.weights)
        return ServiceRow(
            node=self._node,
            id=self._id,
            name=asked.service,
            tags=tuple(asked.tags or ()),
            address=asked.address,
            port=asked.port,
            meta=asked.meta or {},
            weight_passing=weights.passing,
            weight_warning=weights.warning,
            enable_tag_override=asked.enable_tag_override,
        )


def _good_weights(given: wire.Weights | None) -> wire.Weights:
    """Weights that Consul does not take become its default, without a word."""
    if given is None or given.passing < 1 or given.warning < 0 or max(given.passing, given.warning) > LARGEST_WEIGHT:
        return wire.Weights(passing=1, warning=1)
    return given


class _Check:
    kind = "Check"

    def __init__(self, catalog: Catalog, asked: wire.TransactionCheck, *, reads: bool) -> None:
        self._catalog = catalog
        self._asked = asked
        self._id = asked.check_id if reads else asked.check_id or asked.name
        self._definition = _shown_definition(asked.definition or {})
        self.index = asked.modify_index

    @property
    def called(self) -> str:
        return f'check "{self._id}" on node "{self._asked.node}"'

    def prepare(self) -> None:
        """Nothing of a check is looked at before."""

    def find(self) -> CheckRow | None:
        return self._catalog.check(self._asked.node, self._id)

    def show(self) -> wire.Wire:
        row = self.find()
        assert row is not None
        view = views.health_check(row)
        return msgspec.structs.replace(view, service_tags=view.service_tags or None)

    def put(self, write: Write) -> None:
        if not self._catalog.has_node(self._asked.node):
            raise Failed("Missing node registration")
        try:
            self._catalog.register(write, None, None, [self._row()])
        except UnknownService:
            raise Failed("Missing service registration") from None
        except NoCheckId:
            raise Failed(NO_CHECK_ID) from None

    def drop(self, write: Write) -> None:
        self._catalog.deregister_check(write, self._asked.node, self._id)

    def _row(self) -> CheckRow:
        asked = self._asked
        return CheckRow(
            node=asked.node,
            id=self._id,
            name=asked.name,
            status=asked.status or Health.CRITICAL,
            notes=asked.notes,
            output=asked.output,
            service_id=asked.service_id,
            service_name=asked.service_name,
            service_tags=tuple(asked.service_tags or ()),
            definition=self._definition,
        )


_DEFINITION = Dialect(lenient=True, complaint="Failed to parse body: ")
_DURATIONS = ("Interval", "Timeout", "DeregisterCriticalServiceAfter")


def _shown_definition(given: dict[str, Any]) -> dict[str, Any]:
    """What was said of how a check is made, with its durations as Go prints them. Raises Refused."""
    definition = msgspec.to_builtins(decoded_as(given, wire.TransactionCheckDefinition, _DEFINITION))
    shown = {key: value for key, value in definition.items() if value}
    for key in _DURATIONS:
        duration = shown.pop(f"{key}Duration", shown.get(key))
        if duration is not None:
            shown[key] = _shown_duration(duration)
    return shown


def _shown_duration(value: str | float) -> str:
    try:
        return format_duration(parse_duration(value if isinstance(value, str) else int(value)))
    except ValueError as error:
        raise _DEFINITION.failed(str(error)) from None


def node_operation(catalog: Catalog, datacenter: str, asked: wire.NodeOperation) -> CatalogOperation:
    return CatalogOperation(asked.verb, _Node(catalog, datacenter, asked.node))


def service_operation(catalog: Catalog, asked: wire.ServiceOperation) -> CatalogOperation:
    return CatalogOperation(asked.verb, _Service(catalog, asked.node, asked.service, reads=asked.verb == "get"))


def check_operation(catalog: Catalog, asked: wire.CheckOperation) -> CatalogOperation:
    """Raises Refused for a definition that cannot be read."""
    return CatalogOperation(asked.verb, _Check(catalog, asked.check, reads=asked.verb == "get"))
