"""Consul's JSON: the only place where its field names exist. Data without behaviour, no I/O.

The client backend encodes the requests and decodes the answers; the embedded agent does the reverse.

Requests leave out what has its default. Answers are decoded leniently, since Consul's versions differ: unknown fields
are ignored, missing ones have defaults, and Go writes `null` for an empty list or map, so those are `| None`. In what
the agent encodes a field that is UNSET is left out, as Go does for `omitempty`.

Sources: https://developer.hashicorp.com/consul/api-docs and the answers of Consul 1.8.7. Durations are Go's
(see duration.py): strings, or numbers of nanoseconds.

message.py        what every message is made of, and parts that several share
registration.py   what is sent to an agent: instances, checks, their states
agent.py          what an agent tells of itself and of what it holds
catalog.py        what is written into the catalog, and read from it and from health
kv.py             keys and sessions
transactions.py   /v1/txn
queries.py        prepared queries
"""

from muster.registry.consul.wire.agent import (
    AgentSelf,
    AgentService,
    AutopilotConfiguration,
    Member,
    SelfConfig,
    UserEvent,
)
from muster.registry.consul.wire.catalog import (
    CatalogCheck,
    CatalogCheckDefinition,
    CatalogDeregistration,
    CatalogRegistration,
    CatalogService,
    CatalogServiceDefinition,
    CatalogServices,
    HealthCheck,
    Node,
    NodeService,
    ServiceEntry,
)
from muster.registry.consul.wire.kv import KVPair, Session, SessionCheck, SessionRequest
from muster.registry.consul.wire.message import NO_PROXY, ServiceAddress, ServicePort, Weights, Wire, consul_key
from muster.registry.consul.wire.registration import (
    KEY_ALIASES,
    CheckDefinition,
    CheckRegistration,
    CheckUpdate,
    ServiceCheck,
    ServiceRegistration,
)
from muster.registry.consul.wire.transactions import (
    CheckOperation,
    KVOperation,
    NodeOperation,
    ServiceOperation,
    TransactionCheck,
    TransactionCheckDefinition,
    TransactionNode,
    TransactionOperation,
    TransactionService,
)

__all__ = [
    "KEY_ALIASES",
    "NO_PROXY",
    "AgentSelf",
    "AgentService",
    "AutopilotConfiguration",
    "CatalogCheck",
    "CatalogCheckDefinition",
    "CatalogDeregistration",
    "CatalogRegistration",
    "CatalogService",
    "CatalogServiceDefinition",
    "CatalogServices",
    "CheckDefinition",
    "CheckOperation",
    "CheckRegistration",
    "CheckUpdate",
    "HealthCheck",
    "KVOperation",
    "KVPair",
    "Member",
    "Node",
    "NodeOperation",
    "NodeService",
    "SelfConfig",
    "ServiceAddress",
    "ServiceCheck",
    "ServiceEntry",
    "ServiceOperation",
    "ServicePort",
    "ServiceRegistration",
    "Session",
    "SessionCheck",
    "SessionRequest",
    "TransactionCheck",
    "TransactionCheckDefinition",
    "TransactionNode",
    "TransactionOperation",
    "TransactionService",
    "UserEvent",
    "Weights",
    "Wire",
    "consul_key",
]
