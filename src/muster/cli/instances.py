"""`muster instances NAME`"""

from __future__ import annotations

from typing import Annotated, Any

import typer

from muster.balance.explanation import Explanation
from muster.balance.selector import Selector
from muster.cli.explained import EXPLAINED, explained_row, explanation_data
from muster.cli.narrowing import (
    Datacenters,
    Metadata,
    Tags,
    Version,
    Zone,
    read_from,
    selector_of,
    wanted_of,
)
from muster.cli.options import AsJSON, RegistryURL, ServiceName
from muster.cli.output import note, print_json, print_table
from muster.cli.running import run
from muster.cli.snapshots import COLUMNS, instance_data, row
from muster.model.errors import NoInstances
from muster.model.events import ignore
from muster.model.snapshot import Absent, Answer

Explain = Annotated[bool, typer.Option("--explain", help="Say why each instance would be called, or not.")]
Key = Annotated[
    str | None,
    typer.Option("--key", metavar="KEY", help="With --explain: whose call it is, for pickers that hash."),
]
Picker = Annotated[
    str | None,
    typer.Option("--picker", metavar="NAME", help="With --explain: who chooses, such as maglev."),
]
Schema = Annotated[bool, typer.Option("--schema", help="Print what its typed handlers take and give, as JSON Schema.")]


def instances(
    name: ServiceName,
    registry: RegistryURL = None,
    explain: Explain = False,
    key: Key = None,
    picker: Picker = None,
    schema: Schema = False,
    dc: Datacenters = None,
    tag: Tags = None,
    version: Version = "",
    meta: Metadata = None,
    zone: Zone = "",
    as_json: AsJSON = False,
) -> None:
    """List the instances of a service: where they are, and whether they are healthy.

    With --explain, connect to them as a client does, and say why each would be called or not. With --schema, ask one of
    them what its handlers take and give. --dc, --tag, --version, --meta and --zone narrow them down, as they do a
    client's channel.

    Example: **muster instances greeter --explain**
    """
    registry = read_from(registry, dc)
    selector = selector_of(tag, version, meta, zone)
    if schema:
        print_json(run(_schema(name, registry)), indent=None if as_json else 2)
        return
    if explain:
        _print_explanation(run(_explain(name, registry, selector, key, picker)), as_json)
        return
    answer = run(_ask(name, registry))
    if isinstance(answer, Absent):
        raise NoInstances(name, "nobody is registered under that name")
    found = wanted_of(name, answer.instances, selector)
    if as_json:
        print_json([instance_data(instance) for instance in found])
    else:
        print_table(COLUMNS, [row(instance) for instance in found])


def _print_explanation(explanation: Explanation, as_json: bool) -> None:
    if as_json:
        print_json(explanation_data(explanation))
        return
    print_table(EXPLAINED, [explained_row(candidate, explanation) for candidate in explanation.candidates])
    if explanation.panic:
        note("so few instances are well that others would be called too")


async def _explain(
    name: str, registry: str | None, selector: Selector, key: str | None, picker: str | None
) -> Explanation:
    from muster import Balancing, Client

    balancing = Balancing() if picker is None else Balancing(picker)
    async with Client(registry, balancing=balancing, observe=ignore) as client:
        # Who calls by an override does not ask the registry.
        if not client.overridden(name) and isinstance(await client.snapshot(name), Absent):
            raise NoInstances(name, "nobody is registered under that name")
        return await client.explain(
            name,
            key=key,
            tags=selector.tags,
            version=selector.version,
            metadata=selector.metadata,
            zone=selector.zone,
        )


async def _schema(name: str, registry: str | None) -> Any:
    from muster import Client

    async with Client(registry, observe=ignore) as client:
        return await client.schema(name)


async def _ask(name: str, registry: str | None) -> Answer:
    from muster import Client

    async with Client(registry, observe=ignore) as client:
        return await client.snapshot(name)
