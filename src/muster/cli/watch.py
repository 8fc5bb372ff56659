"""`muster watch NAME`"""

from __future__ import annotations

import time

import typer

from muster.balance.selector import Selector
from muster.cli.narrowing import Datacenters, Metadata, Tags, Version, Zone, narrowed, read_from, selector_of
from muster.cli.options import AsJSON, RegistryURL, ServiceName
from muster.cli.output import plain, print_json, print_line
from muster.cli.running import run, until_done_or_signalled, while_read
from muster.cli.snapshots import snapshot_data, state_of
from muster.model.check import Health
from muster.model.events import ignore
from muster.model.instance import Instance
from muster.model.snapshot import Snapshot, instances_of


def watch(
    name: ServiceName,
    registry: RegistryURL = None,
    dc: Datacenters = None,
    tag: Tags = None,
    version: Version = "",
    meta: Metadata = None,
    zone: Zone = "",
    as_json: AsJSON = False,
) -> None:
    """Follow the instances of a service as they come and go, until Ctrl-C.

    While the registry does not answer, what was last known is shown as stale. With --json, a line for each change.

    The options narrow down which of them are shown.

    Example: **muster watch greeter --tag blue**
    """
    selector = selector_of(tag, version, meta, zone)
    following = _follow(name, read_from(registry, dc), selector, as_json)
    raise typer.Exit(run(until_done_or_signalled(following)))


async def _follow(name: str, registry: str | None, selector: Selector, as_json: bool) -> int:
    from muster import Client

    with while_read():
        async with Client(registry, observe=ignore) as client:
            async for snapshot in client.watch(name):
                _show(narrowed(snapshot, selector), as_json)
    return 0


def _show(snapshot: Snapshot, as_json: bool) -> None:
    if as_json:
        print_json(snapshot_data(snapshot), indent=None)
    else:
        print_line(plain(_line(snapshot)))


def _line(snapshot: Snapshot) -> str:
    """The moment, the state and every instance, on one line: the differences stand below each other."""
    state, why = state_of(snapshot)
    parts = [time.strftime("%H:%M:%S"), f"{state:<7}", *(_brief(instance) for instance in instances_of(snapshot))]
    if why:
        parts.append(f"({' '.join(why.split())})")
    return "  ".join(parts)


def _brief(instance: Instance) -> str:
    health = "" if instance.health is Health.PASSING else f" {instance.health}"
    return f"{instance.id} {instance.address}{health}"
