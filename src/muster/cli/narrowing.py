"""Which of a service's instances a command is about: the options that `muster.Client.channel` has as arguments."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import replace
from typing import Annotated
from urllib.parse import quote, urlencode

import typer

from muster.balance.selector import Selector, wanted
from muster.cli.misuse import Misuse
from muster.model.errors import NoInstances
from muster.model.instance import Instance
from muster.model.snapshot import Known, Snapshot, Stale
from muster.registry.url import resolve_url, split_url

Datacenters = Annotated[
    list[str] | None,
    typer.Option("--dc", metavar="NAME", help="Its datacenter. More than one: in order of preference."),
]
Tags = Annotated[list[str] | None, typer.Option("--tag", metavar="TAG", help="With this tag. May be repeated.")]
Version = Annotated[str, typer.Option("--version", metavar="VERSION", help="Such as 1.2.0, 1.x or '>=1.2,<2'.")]
Metadata = Annotated[
    list[str] | None, typer.Option("--meta", metavar="KEY=VALUE", help="With this pair. May be repeated.")
]
Zone = Annotated[str, typer.Option("--zone", metavar="ZONE", help="In this zone.")]


def metadata_of(pairs: Iterable[str]) -> dict[str, str]:
    """What --meta was given. Raises Misuse for what is no pair."""
    for pair in pairs:
        if "=" not in pair:
            raise Misuse(f"--meta {pair!r} has no '=': write KEY=VALUE")
    return {key: value for key, _, value in (pair.partition("=") for pair in pairs)}


def selector_of(tags: list[str] | None, version: str, metadata: list[str] | None, zone: str) -> Selector:
    """Raises Misuse, and BadConfiguration for a version that means nothing."""
    return wanted(tags or (), version, metadata_of(metadata or ()), zone)


def read_from(registry: str | None, datacenters: list[str] | None) -> str | None:
    """The registry's URL, with these datacenters in the place of its own. Raises Misuse where it knows of none."""
    if not datacenters:
        return registry
    url = resolve_url(registry, os.environ).url
    parts = split_url(url)
    if parts.base_scheme != "consul":
        raise Misuse(f"--dc: only Consul has datacenters, and the registry is {parts.scheme}://{parts.authority}")
    options = [(name, value) for name, value in parts.query if name != "dc"]
    query = urlencode([*options, ("dc", ",".join(datacenters))], safe=",")
    return f"{parts.scheme}://{parts.authority}{quote(parts.path)}?{query}"


def narrowed(snapshot: Snapshot, selector: Selector) -> Snapshot:
    """The snapshot with those of its instances that are wanted."""
    if not isinstance(snapshot, Known | Stale):
        return snapshot
    return replace(snapshot, instances=tuple(each for each in snapshot.instances if not selector.why_not(each)))


def wanted_of(name: str, instances: Iterable[Instance], selector: Selector) -> list[Instance]:
    """Those that are wanted. Raises NoInstances where there is none, with the reasons."""
    reasons = [(instance, selector.why_not(instance)) for instance in instances]
    found = [instance for instance, reason in reasons if not reason]
    if not found:
        why = sorted({reason for _, reason in reasons})
        raise NoInstances(name, f"all that are registered are {', '.join(why)}", known=True)
    return found
