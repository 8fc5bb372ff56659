"""What a filter can select in the answers of each endpoint, and by which operators.

Found by asking Consul 1.8.7 for each key of its answers; some, such as the indexes, it shows and does not filter by.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto

from muster.agent.filter.expression import Operator

ANY_KEY = ""
"""In `Schema.fields`: whatever key is named."""


class Kind(Enum):
    """What is found at a selector."""

    TEXT = auto()
    NUMBER = auto()
    FLAG = auto()
    TEXTS = auto()
    LIST = auto()
    MAP = auto()
    RECORD = auto()


OPERATORS: Mapping[Kind, frozenset[Operator]] = {
    Kind.TEXT: frozenset(Operator) - {Operator.IS_EMPTY, Operator.IS_NOT_EMPTY},
    Kind.NUMBER: frozenset({Operator.EQUAL, Operator.NOT_EQUAL}),
    Kind.FLAG: frozenset({Operator.EQUAL, Operator.NOT_EQUAL}),
    Kind.TEXTS: frozenset({Operator.IN, Operator.NOT_IN, Operator.IS_EMPTY, Operator.IS_NOT_EMPTY}),
    Kind.LIST: frozenset({Operator.IS_EMPTY, Operator.IS_NOT_EMPTY}),
    Kind.MAP: frozenset({Operator.IN, Operator.NOT_IN, Operator.IS_EMPTY, Operator.IS_NOT_EMPTY}),
    Kind.RECORD: frozenset(),
}


@dataclass(frozen=True, slots=True)
class Schema:
    """What is at a selector, and what can be selected below it."""

    kind: Kind
    fields: Mapping[str, Schema] = field(default_factory=dict[str, "Schema"])


_TEXT, _NUMBER, _FLAG, _TEXTS = (Schema(kind) for kind in (Kind.TEXT, Kind.NUMBER, Kind.FLAG, Kind.TEXTS))


def _record(**fields: Schema) -> Schema:
    return Schema(Kind.RECORD, fields)


def _list_of(element: Schema) -> Schema:
    return Schema(Kind.LIST, element.fields)


def _map_of(value: Schema) -> Schema:
    return Schema(Kind.MAP, {ANY_KEY: value})


def _prefixed(prefix: str, fields: Mapping[str, Schema]) -> dict[str, Schema]:
    return {prefix + name: schema for name, schema in fields.items()}


_MESH_GATEWAY = _record(Mode=_TEXT)

_PROXY = _record(
    DestinationServiceName=_TEXT,
    DestinationServiceID=_TEXT,
    LocalServiceAddress=_TEXT,
    LocalServicePort=_NUMBER,
    Upstreams=_list_of(
        _record(
            DestinationType=_TEXT,
            DestinationNamespace=_TEXT,
            DestinationName=_TEXT,
            Datacenter=_TEXT,
            LocalBindAddress=_TEXT,
            LocalBindPort=_NUMBER,
            MeshGateway=_MESH_GATEWAY,
        )
    ),
    MeshGateway=_MESH_GATEWAY,
    Expose=_record(
        Checks=_FLAG,
        Paths=_list_of(
            _record(Path=_TEXT, Protocol=_TEXT, ListenerPort=_NUMBER, LocalPathPort=_NUMBER, ParsedFromCheck=_FLAG)
        ),
    ),
)

_INSTANCE: dict[str, Schema] = {
    "Kind": _TEXT,
    "ID": _TEXT,
    "Tags": _TEXTS,
    "Meta": _map_of(_TEXT),
    "Port": _NUMBER,
    "Address": _TEXT,
    "TaggedAddresses": _map_of(_record(Address=_TEXT, Port=_NUMBER)),
    "Weights": _record(Passing=_NUMBER, Warning=_NUMBER),
    "EnableTagOverride": _FLAG,
    "Proxy": _PROXY,
    "Connect": _record(Native=_FLAG),
}

_NODE: dict[str, Schema] = {
    "ID": _TEXT,
    "Node": _TEXT,
    "Address": _TEXT,
    "Datacenter": _TEXT,
    "TaggedAddresses": _map_of(_TEXT),
}

NODE = _record(**_NODE, Meta=_map_of(_TEXT))
SERVICE = _record(**_INSTANCE, Service=_TEXT)
CATALOG_SERVICE = _record(**_NODE, NodeMeta=_map_of(_TEXT), ServiceName=_TEXT, **_prefixed("Service", _INSTANCE))
CHECK = _record(
    Node=_TEXT,
    CheckID=_TEXT,
    Name=_TEXT,
    Status=_TEXT,
    Notes=_TEXT,
    Output=_TEXT,
    ServiceID=_TEXT,
    ServiceName=_TEXT,
    ServiceTags=_TEXTS,
    Type=_TEXT,
)
ENTRY = _record(Node=NODE, Service=SERVICE, Checks=_list_of(CHECK))
NODE_INFO = _record(
    **{name: kind for name, kind in _NODE.items() if name != "Datacenter"},
    Meta=_map_of(_TEXT),
    Services=_list_of(SERVICE),
    Checks=_list_of(CHECK),
)
