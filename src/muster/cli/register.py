"""`muster register NAME --port P -- COMMAND...`"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.logs import tell_more
from muster.cli.misuse import Misuse
from muster.cli.narrowing import metadata_of
from muster.cli.options import RegistryURL, ServiceName

if TYPE_CHECKING:
    from muster.serve.membership import Gate
    from muster.serve.reach import Reach

CHECKS = "http:/PATH, https:/PATH, tcp, grpc, ttl or none"


def register(
    name: ServiceName,
    command: Annotated[
        list[str], typer.Argument(metavar="-- COMMAND...", help="The program to run.", show_default=False)
    ],
    port: Annotated[int, typer.Option(min=1, max=65535, help="The port that it listens on.", show_default=False)],
    host: Annotated[str, typer.Option(metavar="HOST", help="The address that it listens on.")] = "127.0.0.1",
    check: Annotated[
        str, typer.Option(metavar="CHECK", help=f"How the registry looks whether it is well: {CHECKS}.")
    ] = "tcp",
    protocol: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="http or grpc, where the check does not tell.", show_default=False),
    ] = None,
    version: Annotated[str, typer.Option(metavar="VERSION", help="For clients to choose by.")] = "",
    tag: Annotated[list[str] | None, typer.Option(metavar="TAG", help="May be repeated.", show_default=False)] = None,
    meta: Annotated[
        list[str] | None, typer.Option(metavar="KEY=VALUE", help="May be repeated.", show_default=False)
    ] = None,
    weight: Annotated[int, typer.Option(min=1, help="Its share of the calls, against the others' weights.")] = 1,
    zone: Annotated[str, typer.Option(metavar="ZONE", envvar="MUSTER_ZONE", help="Where it runs.")] = "",
    advertise: Annotated[
        str | None,
        typer.Option(
            metavar="HOST:PORT",
            envvar="MUSTER_ADVERTISE",
            help="Where others connect to, if that is another address.",
            show_default=False,
        ),
    ] = None,
    start_timeout: Annotated[float, typer.Option(min=0.1, help="Seconds until its port must take connections.")] = 30.0,
    drain: Annotated[
        float, typer.Option(min=0.0, envvar="MUSTER_DRAIN", help="Seconds between leaving the registry and SIGTERM.")
    ] = 2.0,
    grace: Annotated[float, typer.Option(min=0.0, help="Seconds between SIGTERM and SIGKILL.")] = 10.0,
    registry: RegistryURL = None,
) -> None:
    """Run any program and register it while it runs: a Flask application, a Java server, a database.

    It is registered once its port takes connections. At SIGTERM or Ctrl-C it first leaves the registry, then clients
    have --drain seconds to notice, then it gets SIGTERM, then SIGKILL. The exit status is the program's.

    Example: **muster register shop --port 8000 --check http:/health -- gunicorn -b 127.0.0.1:8000 shop:app**
    """
    tell_more()
    from muster.app.foreign import Foreign, run_foreign
    from muster.serve.entry import Label
    from muster.serve.program import ProgramFailed
    from muster.serve.settings import Timing

    reach = _reach(check, protocol)
    foreign = Foreign(
        Label(name, version, tuple(tag or ()), metadata_of(meta or ()), weight, zone),
        tuple(command),
        (host, port),
        reach,
        _gate(reach, host, port),
        advertise,
        registry,
        start_timeout,
        Timing(drain=drain, stop=drain + grace),
    )
    try:
        # Python's own loop: uvloop reaps children behind our back.
        raise typer.Exit(asyncio.run(run_foreign(foreign, os.environ)))
    except ProgramFailed as failed:
        from muster.cli.output import complain

        complain(str(failed))
        raise typer.Exit(failed.status) from None


def _reach(check: str, protocol: str | None) -> Reach:
    from muster.model.instance import GRPC, HTTP
    from muster.serve.reach import Look, Reach

    if protocol not in (None, HTTP, GRPC):
        raise Misuse(f"--protocol {protocol!r} is neither http nor grpc; leave it out for any other")
    scheme, _, path = check.partition(":")
    if scheme in ("http", "https") and path.startswith("/"):
        return Reach(protocol or HTTP, Look.HTTP, path, tls=scheme == "https")
    match check:
        case "grpc":
            return Reach(protocol or GRPC, Look.GRPC)
        case "tcp":
            return Reach(protocol or "", Look.TCP)
        case "ttl":
            return Reach(protocol or "", Look.NONE)
        case "none":
            return Reach(protocol or "", Look.NONE, beats=False)
        case _:
            raise Misuse(f"--check {check!r} is none of {CHECKS}")


def _gate(reach: Reach, host: str, port: int) -> Gate:
    """The first look is ours: an instance is registered as passing, and the registry's look may come much later."""
    from muster.http.looking import look
    from muster.model.instance import join_host_port
    from muster.serve.reach import Look

    if reach.look is Look.HTTP:
        url = f"{'https' if reach.tls else 'http'}://{join_host_port(host, port)}{reach.path}"
        return partial(look, url, 5.0)
    return partial(asyncio.sleep, 0)
