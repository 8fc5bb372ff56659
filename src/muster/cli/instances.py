"""`muster instances NAME`"""

from __future__ import annotations

import typer

from muster.cli.options import AsJSON, RegistryURL, ServiceName
from muster.cli.output import print_json, print_table
from muster.cli.running import run
from muster.cli.snapshots import COLUMNS, instance_data, row
from muster.model.errors import NoInstances, RegistryUnavailable
from muster.model.snapshot import Absent, Pending, Snapshot, instances_of


def instances(name: ServiceName, registry: RegistryURL = None, as_json: AsJSON = False) -> None:
    """List the instances of a service: where they are, and whether they are healthy.

    Example: **muster instances greeter --json**
    """
    snapshot = run(_first(name, registry))
    if isinstance(snapshot, Pending):
        raise RegistryUnavailable(snapshot.why)
    if isinstance(snapshot, Absent):
        raise NoInstances(name, "nobody is registered under that name")
    found = instances_of(snapshot)
    if as_json:
        print_json([instance_data(instance) for instance in found])
    else:
        print_table(COLUMNS, [row(instance) for instance in found])


async def _first(name: str, registry: str | None) -> Snapshot:
    """The first snapshot that says anything: an answer, or why there is none."""
    from muster import Client

    async with Client(registry) as client:
        async for snapshot in client.watch(name):
            if not isinstance(snapshot, Pending) or snapshot.why:
                return snapshot
    raise typer.Abort
