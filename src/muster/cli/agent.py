"""`muster agent`"""

from __future__ import annotations

from typing import Annotated

import typer

from muster.cli.logs import tell_more
from muster.cli.options import AsJSON
from muster.cli.output import print_json, print_line
from muster.cli.running import run, until_signalled


def agent(
    http: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            envvar="MUSTER_AGENT_HTTP",
            help="Where to listen; port 0 picks a free one and says which.",
        ),
    ] = "127.0.0.1:8500",
    node: Annotated[
        str | None, typer.Option(metavar="NAME", help="The node's name. Default: the host's.", show_default=False)
    ] = None,
    datacenter: Annotated[str, typer.Option(metavar="NAME", help="The datacenter's name.")] = "dc1",
    as_json: AsJSON = False,
) -> None:
    """Run a registry on this machine that speaks Consul's HTTP API.

    For development, tests and single machines: any Consul client works with it, nothing is kept when it ends.

    Example: **muster agent --http 127.0.0.1:8500**
    """
    tell_more()
    raise typer.Exit(run(_stay(http, node, datacenter, as_json)))


async def _stay(http: str, node: str | None, datacenter: str, as_json: bool) -> int:
    from muster.agent import Agent

    async with Agent(http=http, node=node, datacenter=datacenter) as running:
        if as_json:
            print_json({"url": running.url, "address": running.address}, indent=None)
        else:
            print_line(f"agent at {running.url}  (Ctrl-C ends it)")
        return await until_signalled()
