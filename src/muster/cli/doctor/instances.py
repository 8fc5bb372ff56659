"""Judges what is registered for this machine. Pure: what was seen of ports and addresses comes in."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from muster.cli.doctor.finding import Finding, Level
from muster.model.instance import join_host_port
from muster.serve.reach import REACH

if TYPE_CHECKING:
    from muster.registry.consul.inspection import Held


@dataclass(frozen=True, slots=True)
class Seen:
    """An instance, whether its address is one of this machine's, and whether something listens there."""

    held: Held
    here: bool
    listens: bool

    @property
    def where(self) -> str:
        return join_host_port(self.held.host or "127.0.0.1", self.held.port)


def judged(seen: Iterable[Seen]) -> Iterator[Finding]:
    """What is wrong with the instances; one finding if nothing is."""
    instances = list(seen)
    findings = [finding for each in instances for finding in _one(each)]
    findings += _clashes(instances)
    yield from findings or [Finding(Level.OK, "instances", f"{len(instances)} at this agent, none with a problem")]


def _one(seen: Seen) -> Iterator[Finding]:
    about = seen.held.id
    if seen.here and not seen.listens:
        orphan = seen.held.id if seen.held.ours else ""
        todo = "muster doctor --fix deregisters it" if orphan else "deregister it, or start it"
        yield Finding(Level.PROBLEM, about, f"nothing listens at {seen.where}: it died without leaving", todo, orphan)
        return
    for check, output in seen.held.failing.items():
        told = " ".join(output.split())[:200] or "nothing was reported yet"
        if check == REACH and seen.listens:
            yield Finding(
                Level.PROBLEM,
                about,
                f"the registry does not reach it at {seen.where}, though something listens there: {told}",
                "a firewall, or an address that only this machine knows: see advertise= and MUSTER_ADVERTISE",
            )
        else:
            yield Finding(Level.WARNING, about, f"check {check!r} does not pass: {told}")


def _clashes(seen: Iterable[Seen]) -> Iterator[Finding]:
    """Two entries with one address: one of them is a lie, and its callers reach the other."""
    by_address: dict[tuple[str, int], list[str]] = {}
    for each in seen:
        if each.held.port:
            by_address.setdefault((each.held.host, each.held.port), []).append(each.held.id)
    for (host, port), ids in by_address.items():
        if len(ids) > 1:
            where = join_host_port(host or "127.0.0.1", port)
            yield Finding(
                Level.WARNING,
                " ".join(ids),
                f"are registered at the same address, {where}",
                "deregister those that are no more",
            )
