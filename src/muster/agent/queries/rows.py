"""What the table of prepared queries holds.

An empty list or map and none at all are told apart, since answers have what the request had.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from muster.agent.catalog.rows import NO_STAMP, Stamp

NAME_PREFIX = "name_prefix_match"
"""The one type of template that there is."""


@dataclass(frozen=True, slots=True)
class Template:
    """With a `type`, the query stands for all names that begin with its own. `regexp` is matched with a name."""

    type: str = ""
    regexp: str = ""
    remove_empty_tags: bool = False


@dataclass(frozen=True, slots=True)
class Failover:
    """Where else to look; kept, and of no effect on one node."""

    nearest: int = 0
    datacenters: tuple[str, ...] | None = None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which instances. A tag with `!` before it must not be there. Checks in `ignore_check_ids` count for nothing."""

    service: str
    failover: Failover = Failover()
    only_passing: bool = False
    ignore_check_ids: tuple[str, ...] | None = None
    near: str = ""
    tags: tuple[str, ...] | None = None
    node_meta: Mapping[str, str] | None = None
    service_meta: Mapping[str, str] | None = None
    connect: bool = False


@dataclass(frozen=True, slots=True)
class PreparedQuery:
    """`ttl` is a Go duration, or empty. With a `session` it ends when that does."""

    id: str
    name: str
    wanted: Wanted
    session: str = ""
    token: str = ""
    template: Template = Template()
    ttl: str = ""
    stamp: Stamp = field(default=NO_STAMP, compare=False)
