"""Prepared queries as Consul's JSON (https://developer.hashicorp.com/consul/api-docs/query)."""

from __future__ import annotations

from msgspec import field

from muster.registry.consul.wire.catalog import ServiceEntry
from muster.registry.consul.wire.message import Wire


class QueryTemplate(Wire, frozen=True):
    type: str = ""
    regexp: str = ""
    remove_empty_tags: bool = False


class QueryFailover(Wire, frozen=True):
    nearest_n: int = 0
    datacenters: list[str] | None = None


class ServiceQuery(Wire, frozen=True):
    service: str = ""
    failover: QueryFailover = QueryFailover()
    only_passing: bool = False
    ignore_check_ids: list[str] | None = field(name="IgnoreCheckIDs", default=None)
    near: str = ""
    tags: list[str] | None = None
    node_meta: dict[str, str] | None = None
    service_meta: dict[str, str] | None = None
    connect: bool = False


class QueryDNS(Wire, frozen=True):
    ttl: str = ""


class PreparedQuery(Wire, frozen=True):
    """POST /v1/query and PUT /v1/query/ID, where `id` and the indexes are ignored; and what GET answers."""

    id: str = ""
    name: str = ""
    session: str = ""
    token: str = ""
    template: QueryTemplate = QueryTemplate()
    service: ServiceQuery = ServiceQuery()
    dns: QueryDNS = field(name="DNS", default=QueryDNS())
    create_index: int = 0
    modify_index: int = 0


class QueryExplained(Wire, frozen=True):
    """The last four repeat what other answers have in headers; the index is always 0."""

    query: PreparedQuery
    index: int = 0
    last_contact: int = 0
    known_leader: bool = True
    consistency_level: str = "leader"


class QueryExecuted(Wire, frozen=True):
    """The last four are as in QueryExplained."""

    service: str
    nodes: list[ServiceEntry]
    dns: QueryDNS = field(name="DNS", default=QueryDNS())
    datacenter: str = ""
    failovers: int = 0
    index: int = 0
    last_contact: int = 0
    known_leader: bool = True
    consistency_level: str = "leader"
