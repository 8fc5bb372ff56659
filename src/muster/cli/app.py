"""The commands, and what holds for all of them."""

from __future__ import annotations

from typing import Annotated

import typer

from muster.cli.agent import agent
from muster.cli.call import call
from muster.cli.demo.command import demo
from muster.cli.doctor.command import doctor
from muster.cli.gateway import gateway
from muster.cli.instances import instances
from muster.cli.logs import LEVELS, to_stderr
from muster.cli.new.command import new
from muster.cli.operating import drain, weight
from muster.cli.output import print_line
from muster.cli.register import register
from muster.cli.run import run
from muster.cli.services import services
from muster.cli.watch import watch

app = typer.Typer(
    name="muster",
    help="Let services find and call each other. Start with: muster demo",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

for command in (demo, new, agent, run, register, services, instances, watch, call, drain, weight, gateway, doctor):
    app.command()(command)


def _version(wanted: bool) -> None:
    if wanted:
        from muster import __version__

        print_line(f"muster {__version__}")
        raise typer.Exit


@app.callback()
def every_command(
    log: Annotated[
        str | None,
        typer.Option(
            metavar="LEVEL", help=f"What to log: {', '.join(LEVELS)}. Default: MUSTER_LOG.", show_default=False
        ),
    ] = None,
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    to_stderr(log)
