"""`muster agent`"""

from __future__ import annotations

import logging
import signal
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from muster.cli.files import allow_many_files
from muster.cli.logs import follow, level_is_chosen, tell_more
from muster.cli.options import AsJSON
from muster.cli.output import print_json, print_line
from muster.cli.running import run, until_signalled
from muster.model.errors import BadConfiguration
from muster.watch.background import background_tasks

if TYPE_CHECKING:
    from muster.agent import Agent
    from muster.agent.proxy import Proxy
    from muster.agent.settings import Settings

_log = logging.getLogger("muster.agent")

_HTTP = "127.0.0.1:8500"
_KEYS = {"node": "node_name"}
"""What configuration files call options that have other names there."""


def agent(
    http: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="MUSTER_AGENT_HTTP",
            help=f"Where to listen; port 0 picks a free one and says which. Default: {_HTTP}.",
            show_default=False,
        ),
    ] = None,
    dns: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="MUSTER_AGENT_DNS",
            help="Answer DNS here too, by UDP and TCP; Consul's own port is 8600.",
            show_default=False,
        ),
    ] = None,
    node: Annotated[
        str | None, typer.Option(metavar="NAME", help="The node's name. Default: the host's.", show_default=False)
    ] = None,
    datacenter: Annotated[
        str | None, typer.Option(metavar="NAME", help="The datacenter's name. Default: dc1.", show_default=False)
    ] = None,
    data_dir: Annotated[
        str | None,
        typer.Option(
            metavar="DIR",
            help="Keep everything in this directory, so that it is there after a restart or a crash. Default: memory "
            "only.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Settings, services and checks, in TOML or in Consul's JSON; a folder stands for the files in it. May "
            "be given again. Options win over files. SIGHUP has them read again.",
            show_default=False,
        ),
    ] = None,
    scripts: Annotated[
        bool,
        typer.Option(
            "--enable-script-checks",
            help="Let checks run programs on this machine. Whoever reaches the port can then have it run any.",
        ),
    ] = False,
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

    For development, tests and single machines: any Consul client works with it, nothing is kept when it ends, unless
    there is a **--data-dir**.

    Example: **muster agent --http 127.0.0.1:8500**
    """
    options = {"node": node, "datacenter": datacenter, "data_dir": data_dir, "enable_script_checks": scripts or None}
    given = {name: value for name, value in options.items() if value is not None}
    allow_many_files()
    if proxy is not None:
        _refuse_with_proxy([*given, *(["dns"] if dns else []), *(["config"] if config else [])])
        tell_more()
        run(_stand_before(proxy, http or _HTTP, as_json))
        return
    chosen = level_is_chosen()
    tell_more()
    read = partial(_settings, config or (), given, http, dns, chosen)
    run(_stay(read, bool(config), as_json))


def _refuse_with_proxy(options: Sequence[str]) -> None:
    if options:
        named = " and ".join(f"--{option.replace('_', '-')}" for option in options)
        raise BadConfiguration(f"{named}: the agent that --proxy names has its own: leave them out")


def _settings(
    config: Sequence[Path], given: Mapping[str, Any], http: str | None, dns: str | None, level_chosen: bool
) -> Settings:
    """What the files say, and the command line over them."""
    from muster.agent.config import read_settings

    settings = read_settings(config, {_KEYS.get(name, name): value for name, value in given.items()}, dns=dns)
    if http is not None:
        settings = replace(settings, http=http)
    if not level_chosen:
        follow(settings.log_level)
    return settings


async def _stay(read: Callable[[], Settings], has_files: bool, as_json: bool) -> None:
    from muster.agent import Agent

    async with Agent.configured(read) as running, background_tasks() as tasks:
        hung_up = partial(_reload, running) if has_files else None
        leaving = tasks.create_task(_end_when_left(running))
        try:
            await until_signalled(partial(_tell, running, as_json), hung_up=hung_up)
        finally:
            leaving.cancel()


async def _end_when_left(running: Agent) -> None:
    """A client that asks the agent to leave ends the program as a supervisor would."""
    await running.left()
    signal.raise_signal(signal.SIGTERM)


def _reload(running: Agent) -> None:
    try:
        running.reload()
    except BadConfiguration as error:
        _log.error("the configuration stays as it was: %s", error)


async def _stand_before(upstream: str, http: str, as_json: bool) -> None:
    from muster.agent.proxy import Proxy

    async with Proxy(upstream, http) as running:
        await until_signalled(partial(_tell_of_proxy, running, as_json))


def _tell(running: Agent, as_json: bool) -> None:
    if as_json:
        print_json({"url": running.url, "address": running.address, "dns": running.dns_address}, indent=None)
    else:
        dns = f", DNS at {running.dns_address}" if running.dns_address else ""
        print_line(f"agent at {running.url}{dns}  (Ctrl-C ends it)")


def _tell_of_proxy(running: Proxy, as_json: bool) -> None:
    if as_json:
        print_json({"url": running.url, "address": running.address}, indent=None)
    else:
        print_line(f"proxy at {running.url}  (Ctrl-C ends it)")
