"""`muster run MODULE:OBJECT`"""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.announcing import running_line
from muster.cli.dev import agent_if_none
from muster.cli.ending import end_threads
from muster.cli.loading import load
from muster.cli.logs import tell_more
from muster.cli.misuse import Misuse
from muster.cli.options import RegistryURL
from muster.cli.output import complain, print_line
from muster.cli.tracebacks import in_short, own_traceback
from muster.model.errors import MusterError
from muster.registry.url import open_registry
from muster.serve.signals import until_signalled

if TYPE_CHECKING:
    from muster.app.service import Service
    from muster.app.workers import Workers
    from muster.model.instance import Instance

HUNG = 30.0
"""Seconds without a sign of life after which a worker hangs, unless --hung-after says otherwise."""


def run(
    target: Annotated[
        str,
        typer.Argument(metavar="MODULE:OBJECT", help="A muster.Service, such as greeter:service.", show_default=False),
    ],
    workers: Annotated[
        int | None,
        typer.Option(
            min=1, help="Run it in so many processes. SIGHUP replaces them one by one, by new code.", show_default=False
        ),
    ] = None,
    hung_after: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help=f"Seconds after which a worker whose event loop does not run is replaced. Default: {HUNG:g}.",
            show_default=False,
        ),
    ] = None,
    reload: Annotated[
        bool, typer.Option("--reload", help="Restart when a Python file in this directory changes. For development.")
    ] = False,
    dev: Annotated[bool, typer.Option("--dev", help="Start an agent on this machine if none answers there.")] = False,
    registry: RegistryURL = None,
) -> None:
    """Run a service: serve, register, and at SIGTERM or Ctrl-C leave without losing a call.

    Example: **muster run greeter:service --dev**
    """
    tell_more()
    if registry is not None:
        open_registry(registry)  # what is wrong with it is said here once, and not by each worker
        os.environ["MUSTER_REGISTRY"] = registry
    if workers is not None or reload:
        _run_workers(target, workers or 1, hung_after or HUNG, reload, dev)
    elif hung_after is not None:
        raise Misuse("--hung-after: it takes another process to replace one that hangs: --workers 1 starts it")
    else:
        _run_here(load(target), dev)


def _run_here(service: Service, dev: bool) -> None:
    status = _served(service, dev)
    end_threads(status)
    raise typer.Exit(status)


def _served(service: Service, dev: bool) -> int:
    """The exit status. What the service's own code raises is shown as it would be if that had been run by itself."""
    from muster.serve import loop

    try:
        loop.run(until_signalled(_running(service, dev)))
    except (MusterError, Misuse, ExceptionGroup):
        raise
    except Exception as error:
        sys.stderr.write(own_traceback(error))
        complain(f"{service.name}: {in_short(error)}")
        return 1
    return 0


@asynccontextmanager
async def _running(service: Service, dev: bool) -> AsyncIterator[None]:
    """The service leaves before the agent ends that it is registered with."""
    async with AsyncExitStack() as stack:
        if dev:
            await stack.enter_async_context(agent_if_none(None, os.environ))
        await stack.enter_async_context(service.running())
        print_line(running_line(service.instances, service.registry, service.readiness.why))
        yield


def _run_workers(target: str, count: int, hung_after: float, reload: bool, dev: bool) -> None:
    from muster.app.workers import Workers, WorkersFailed
    from muster.cli.worker import command_of
    from muster.serve.workers.table import LOOK, Rules

    def tell(instances: Iterable[Instance], registry: str, why: str) -> None:
        print_line(running_line(instances, registry, why, count))

    rules = Rules(count, looks=round(hung_after / LOOK), patient=reload)
    workers = Workers(command_of(target), os.environ, rules, tell)
    try:
        # Python's own loop: uvloop reaps children behind our back.
        asyncio.run(until_signalled(_supervised(workers, reload, dev)))
    except WorkersFailed as failed:
        complain(str(failed))
        raise typer.Exit(failed.status) from None


@asynccontextmanager
async def _supervised(workers: Workers, reload: bool, dev: bool) -> AsyncIterator[None]:
    """SIGHUP means nothing special to who reloads by itself: a terminal that is closed ends it."""
    from muster.serve.signals import passing_on

    async with AsyncExitStack() as stack:
        if dev:
            await stack.enter_async_context(agent_if_none(None, os.environ))
        if not reload:
            stack.enter_context(passing_on(workers.signalled))
        await stack.enter_async_context(workers.running())
        if reload:
            await stack.enter_async_context(_reloading(workers))
        yield


@asynccontextmanager
async def _reloading(workers: Workers) -> AsyncIterator[None]:
    """Meanwhile a changed file restarts the workers. Raises Misuse where nothing can look for changes."""
    from muster.cli.changes import noticing

    async with noticing(Path.cwd(), workers.restart):
        yield
