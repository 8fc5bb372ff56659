"""What a prepared query finds now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from muster.agent.catalog.catalog import Catalog, Entry
from muster.agent.catalog.rows import CheckRow
from muster.agent.queries.rows import PreparedQuery, Wanted
from muster.model.check import Health
from muster.registry.consul.duration import parse_duration

_HERE = ("_agent", "_ip")
"""Consul's names for the node that is asked, and for the one that asks: one node has both."""


@dataclass(frozen=True, slots=True)
class Executed:
    """The instances that a prepared query for `service` found. `ttl`, in seconds, is that for DNS, if it says one."""

    service: str
    entries: tuple[Entry, ...]
    ttl: float | None = None


def execute(
    catalog: Catalog, query: PreparedQuery, rng: Random, here: str, *, near: str = "", connect: bool = False
) -> Executed:
    """The healthy instances that a query wants, in random order, but those on the node `near` first.

    What is asked for by `near`, a node's name or `_agent` for `here`, goes before what the query itself says of it;
    `connect` asks for what takes calls over Connect, as the query itself may.
    """
    wanted = query.wanted
    overlay = connect or wanted.connect
    entries = catalog.connected(wanted.service) if overlay else catalog.entries(wanted.service)
    found = [entry for entry in entries if _is_wanted(entry, wanted)]
    rng.shuffle(found)
    if near or wanted.near:
        nearest = _node(near or wanted.near, here)
        found.sort(key=lambda entry: entry.node.name.lower() != nearest)
    ttl = parse_duration(query.ttl) if query.ttl else None
    return Executed(wanted.service, tuple(found), ttl)


def _node(near: str, here: str) -> str:
    return (here if near in _HERE else near).lower()


def _is_wanted(entry: Entry, wanted: Wanted) -> bool:
    return (
        all(_is_fine(check, wanted) for check in entry.checks)
        and _has(entry.node.meta, wanted.node_meta)
        and _has(entry.service.meta, wanted.service_meta)
        and _has_tags(entry.service.tags, wanted.tags or ())
    )


def _is_fine(check: CheckRow, wanted: Wanted) -> bool:
    if check.id in (wanted.ignore_check_ids or ()):
        return True
    return check.status == Health.PASSING if wanted.only_passing else check.status != Health.CRITICAL


def _has(meta: Mapping[str, str] | None, wanted: Mapping[str, str] | None) -> bool:
    return all((meta or {}).get(key) == value for key, value in (wanted or {}).items())


def _has_tags(tags: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    have = {tag.lower() for tag in tags}
    return all((tag[1:].lower() not in have) if tag.startswith("!") else tag.lower() in have for tag in wanted)
