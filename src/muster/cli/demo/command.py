"""`muster demo`"""

from __future__ import annotations

import asyncio
import sys
import time
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.options import AsJSON, RegistryURL
from muster.cli.output import note, print_json
from muster.cli.running import run_with_children, until_done_or_signalled

if TYPE_CHECKING:
    from muster.cli.demo.system import System


def demo(
    once: Annotated[bool, typer.Option("--once", help="End after the numbers, also on a terminal.")] = False,
    registry: RegistryURL = None,
    as_json: AsJSON = False,
) -> None:
    """See it work: three services, a gateway, steady load; one is ended, one is killed, both come back.

    Starts an agent, or uses the registry that is named. On a terminal it stays up for you to try, until Ctrl-C.
    Otherwise, and with --once, it ends by itself, with status 0 only if every number is as it should be.
    Nothing is left behind: no process, no registration.

    Example: **muster demo**
    """
    stay = stays(once or as_json, sys.stdin.isatty(), sys.stdout.isatty())
    raise typer.Exit(run_with_children(until_done_or_signalled(_demo(registry, stay, as_json))))


def stays(told_to_end: bool, keyboard: bool, screen: bool) -> bool:
    """Whether to wait for Ctrl-C: only where somebody is there to read the numbers and to press it."""
    return keyboard and screen and not told_to_end


async def _demo(registry: str | None, stay: bool, as_json: bool) -> int:
    from rich.console import Console

    from muster.cli.demo.story import play
    from muster.cli.demo.system import System
    from muster.cli.demo.table import figures_data, print_figures

    tell = Teller()
    system = System(registry)
    async with system:
        tell(f"registry {system.registry or 'of the environment'}, gateway {system.gateway}")
        figures = await play(system, tell)
        if not as_json:
            print_figures(Console(highlight=False), figures)
            tell(f"try it:  curl '{system.gateway}/{system.service}/say/hello?name=you'")
        if stay:
            await _stay(system, tell)
        tell("ending every process")
    tell(f"left behind: {', '.join(system.left_behind) or 'nothing'}")
    if as_json:
        print_json(figures_data(figures) | {"left_behind": system.left_behind})
    return 0 if figures.right and not system.left_behind else 1


async def _stay(system: System, tell: Teller) -> None:
    """Until a signal, which is how somebody at a terminal is done with it."""
    address = f" --registry {system.registry}" if system.registry else ""
    tell(f"try it:  muster watch {system.service}{address}")
    tell("Ctrl-C ends it")
    task = asyncio.current_task()
    assert task is not None
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        task.uncancel()  # it ends in order, and with the status that its numbers earned


class Teller:
    """Says what happens when it happens, with the seconds since the start; on standard error, as it is no result."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    def __call__(self, text: str) -> None:
        note(f"{time.monotonic() - self._start:5.1f} s  {text}")
