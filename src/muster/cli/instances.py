"""`muster instances NAME`"""

from __future__ import annotations

from muster.cli.options import AsJSON, RegistryURL, ServiceName
from muster.cli.output import print_json, print_table
from muster.cli.running import run
from muster.cli.snapshots import COLUMNS, instance_data, row
from muster.model.errors import NoInstances
from muster.model.events import ignore
from muster.model.snapshot import Absent, Answer


def instances(name: ServiceName, registry: RegistryURL = None, as_json: AsJSON = False) -> None:
    """List the instances of a service: where they are, and whether they are healthy.

    Example: **muster instances greeter --json**
    """
    answer = run(_ask(name, registry))
    if isinstance(answer, Absent):
        raise NoInstances(name, "nobody is registered under that name")
    if as_json:
        print_json([instance_data(instance) for instance in answer.instances])
    else:
        print_table(COLUMNS, [row(instance) for instance in answer.instances])


async def _ask(name: str, registry: str | None) -> Answer:
    from muster import Client

    async with Client(registry, observe=ignore) as client:
        return await client.snapshot(name)
