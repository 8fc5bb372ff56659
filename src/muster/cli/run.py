"""`muster run MODULE:OBJECT`"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.logs import tell_more
from muster.cli.options import RegistryURL
from muster.cli.running import run as run_coroutine
from muster.cli.running import until_done_or_signalled

if TYPE_CHECKING:
    from muster.app.service import Service


def run(
    target: Annotated[
        str,
        typer.Argument(metavar="MODULE:OBJECT", help="A muster.Service, such as greeter:service.", show_default=False),
    ],
    dev: Annotated[bool, typer.Option("--dev", help="Start an agent on this machine if none answers there.")] = False,
    registry: RegistryURL = None,
) -> None:
    """Run a service: serve, register, and at SIGTERM or Ctrl-C leave without losing a call.

    Example: **muster run greeter:service --dev**
    """
    from muster.cli.loading import load

    tell_more()
    if registry is not None:
        os.environ["MUSTER_REGISTRY"] = registry
    service = load(target)
    if dev:
        raise typer.Exit(run_coroutine(until_done_or_signalled(_serve_with_agent(service))))
    service.run()


async def _serve_with_agent(service: Service) -> int:
    from muster.cli.dev import agent_if_none

    async with agent_if_none(None, os.environ):
        await service.serve()
    return 0
