"""`muster agent`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.logs import tell_more
from muster.cli.options import AsJSON
from muster.cli.output import print_json, print_line
from muster.cli.running import run, until_signalled
from muster.model.errors import BadConfiguration

if TYPE_CHECKING:
    from muster.agent import Agent
    from muster.agent.proxy import Proxy


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
    proxy: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Hold no registry, but stand before this Consul agent: the processes of this machine or pod then cost "
            "it one watch a name, however many they are.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJSON = False,
) -> None:
    """Run a registry on this machine that speaks Consul's HTTP API.

    For development, tests and single machines: any Consul client works with it, nothing is kept when it ends.

    Example: **muster agent --http 127.0.0.1:8500**
    """
    tell_more()
    if proxy is None:
        raise typer.Exit(run(_stay(http, node, datacenter, as_json)))
    if node is not None or datacenter != "dc1":
        raise BadConfiguration("--node and --datacenter are those of the agent that --proxy names: leave them out")
    raise typer.Exit(run(_stand_before(proxy, http, as_json)))


async def _stay(http: str, node: str | None, datacenter: str, as_json: bool) -> int:
    from muster.agent import Agent

    async with Agent(http=http, node=node, datacenter=datacenter) as running:
        return await _until_signalled("agent", running, as_json)


async def _stand_before(upstream: str, http: str, as_json: bool) -> int:
    from muster.agent.proxy import Proxy

    async with Proxy(upstream, http) as running:
        return await _until_signalled("proxy", running, as_json)


async def _until_signalled(what: str, running: Agent | Proxy, as_json: bool) -> int:
    if as_json:
        print_json({"url": running.url, "address": running.address}, indent=None)
    else:
        print_line(f"{what} at {running.url}  (Ctrl-C ends it)")
    return await until_signalled()
