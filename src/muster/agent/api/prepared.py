"""Prepared queries between the table's rows and Consul's JSON."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from muster.agent.queries.rows import Failover, PreparedQuery, Template, Wanted
from muster.registry.consul.wire import queries as wire


def as_row(asked: wire.PreparedQuery, query_id: str) -> PreparedQuery:
    """The query that a request describes."""
    template = asked.template
    return PreparedQuery(
        id=query_id,
        name=asked.name,
        wanted=_wanted(asked.service),
        session=asked.session,
        token=asked.token,
        template=Template(template.type, template.regexp, template.remove_empty_tags),
        ttl=asked.dns.ttl,
    )


def as_wire(row: PreparedQuery) -> wire.PreparedQuery:
    template = row.template
    return wire.PreparedQuery(
        id=row.id,
        name=row.name,
        session=row.session,
        token=row.token,
        template=wire.QueryTemplate(
            type=template.type, regexp=template.regexp, remove_empty_tags=template.remove_empty_tags
        ),
        service=_service(row.wanted),
        dns=wire.QueryDNS(ttl=row.ttl),
        create_index=row.stamp.created,
        modify_index=row.stamp.modified,
    )


def _wanted(asked: wire.ServiceQuery) -> Wanted:
    return Wanted(
        service=asked.service,
        failover=Failover(asked.failover.nearest_n, _tuple(asked.failover.datacenters)),
        only_passing=asked.only_passing,
        ignore_check_ids=_tuple(asked.ignore_check_ids),
        near=asked.near,
        tags=_tuple(asked.tags),
        node_meta=asked.node_meta,
        service_meta=asked.service_meta,
        connect=asked.connect,
    )


def _service(wanted: Wanted) -> wire.ServiceQuery:
    failover = wanted.failover
    return wire.ServiceQuery(
        service=wanted.service,
        failover=wire.QueryFailover(nearest_n=failover.nearest, datacenters=_list(failover.datacenters)),
        only_passing=wanted.only_passing,
        ignore_check_ids=_list(wanted.ignore_check_ids),
        near=wanted.near,
        tags=_list(wanted.tags),
        node_meta=_dict(wanted.node_meta),
        service_meta=_dict(wanted.service_meta),
        connect=wanted.connect,
    )


def _tuple(texts: Iterable[str] | None) -> tuple[str, ...] | None:
    return None if texts is None else tuple(texts)


def _list(texts: Iterable[str] | None) -> list[str] | None:
    return None if texts is None else list(texts)


def _dict(texts: Mapping[str, str] | None) -> dict[str, str] | None:
    return None if texts is None else dict(texts)
