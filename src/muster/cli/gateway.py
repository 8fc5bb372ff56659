"""`muster gateway`"""

from __future__ import annotations

from typing import Annotated

import typer

from muster.cli.logs import tell_more
from muster.cli.options import AsJSON, RegistryURL
from muster.cli.output import print_json, print_line
from muster.cli.running import run, until_signalled


def gateway(
    http: Annotated[
        str,
        typer.Option(
            metavar="HOST:PORT",
            envvar="MUSTER_GATEWAY_HTTP",
            help="Where to listen; port 0 picks a free one and says which.",
        ),
    ] = "127.0.0.1:8080",
    idempotent: Annotated[
        list[str] | None,
        typer.Option(
            metavar="PATH",
            help="A method that may be sent twice, such as /greeter.Say/Hello: "
            "it is tried again on another instance. May be repeated.",
            show_default=False,
        ),
    ] = None,
    registry: RegistryURL = None,
    as_json: AsJSON = False,
) -> None:
    """Give the outside world one HTTP door to the services.

    GET /greeter/say/hello?name=x, or a POST with JSON, calls the method Say.Hello of the service greeter.

    Example: **muster gateway --http 127.0.0.1:8080**
    """
    tell_more()
    run(_stay(http, frozenset(idempotent or ()), registry, as_json))


async def _stay(http: str, idempotent: frozenset[str], registry: str | None, as_json: bool) -> None:
    from muster import Client
    from muster.gateway import Gateway

    async with (
        Client(registry, idempotent=idempotent) as client,
        Gateway(client, http=http) as running,
    ):
        if as_json:
            print_json({"url": running.url}, indent=None)
        else:
            print_line(f"gateway at {running.url}  (Ctrl-C ends it)")
        await until_signalled()
