"""`muster drain ID` and `muster weight ID N`: what people on call do to an instance that runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.options import RegistryURL
from muster.cli.output import print_line
from muster.cli.running import run
from muster.model.errors import BadConfiguration, NotRegistered

if TYPE_CHECKING:
    from muster.registry.protocol import Operable

InstanceID = Annotated[
    str,
    typer.Argument(metavar="ID", help="The instance's id, as `muster instances NAME` tells it.", show_default=False),
]


def drain(
    instance_id: InstanceID,
    undo: Annotated[bool, typer.Option("--undo", help="Put it back into service.")] = False,
    reason: Annotated[str, typer.Option(metavar="TEXT", help="What others are told.")] = "drained by muster drain",
    registry: RegistryURL = None,
) -> None:
    """Take an instance out of service while it runs: clients send it no more calls, and those in flight end.

    It stays registered, shown as critical with the reason, until --undo or until it is registered anew.

    Example: **muster drain greeter-5c27c1a0b2d4 --reason 'heap dump'**
    """
    if undo:
        run(_do(registry, lambda operable: operable.restore(instance_id)))
        print_line(f"{instance_id} is back in service")
    else:
        run(_do(registry, lambda operable: operable.drain(instance_id, reason)))
        print_line(f"{instance_id} is out of service; 'muster drain {instance_id} --undo' puts it back")


def weight(
    instance_id: InstanceID,
    weight: Annotated[int, typer.Argument(metavar="N", min=1, max=65535, help="Its share.", show_default=False)],
    registry: RegistryURL = None,
) -> None:
    """Give a running instance another share of the calls, against the weights of the others.

    It holds until the instance is registered anew.

    Example: **muster weight greeter-5c27c1a0b2d4 3**
    """
    run(_do(registry, lambda operable: operable.weigh(instance_id, weight)))
    print_line(f"{instance_id} has weight {weight}")


async def _do(url: str | None, act: Callable[[Operable], Awaitable[None]]) -> None:
    from muster.registry.protocol import Operable
    from muster.registry.url import open_registry

    async with open_registry(url) as registry:
        if not isinstance(registry, Operable):
            raise BadConfiguration(f"{registry} has no agent that could be told: only Consul and `muster agent` have")
        try:
            await act(registry)
        except NotRegistered as error:
            raise BadConfiguration(
                f"{error}; an instance is held by the agent that it registered with, so ask that one: "
                "--registry consul://HOST:8500"
            ) from error
