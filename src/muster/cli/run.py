"""`muster run MODULE:OBJECT`"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.dev import agent_if_none
from muster.cli.loading import load
from muster.cli.logs import tell_more
from muster.cli.options import RegistryURL
from muster.cli.running import run as run_coroutine
from muster.serve.signals import until_signalled

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
    tell_more()
    if registry is not None:
        os.environ["MUSTER_REGISTRY"] = registry
    service = load(target)
    if dev:
        run_coroutine(until_signalled(_with_agent(service)))
    else:
        service.run()


@asynccontextmanager
async def _with_agent(service: Service) -> AsyncIterator[None]:
    """The service leaves before the agent ends that it is registered with."""
    async with agent_if_none(None, os.environ), service.running():
        yield
