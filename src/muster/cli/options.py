"""Options that several commands share."""

from __future__ import annotations

from typing import Annotated

import typer

RegistryURL = Annotated[
    str | None,
    typer.Option(
        "--registry",
        metavar="URL",
        help="Where services are registered, such as consul://127.0.0.1:8500. "
        "Default: MUSTER_REGISTRY, CONSUL_HTTP_ADDR, or Consul on this machine.",
        show_default=False,
    ),
]
AsJSON = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
ServiceName = Annotated[str, typer.Argument(metavar="NAME", help="The service's name.", show_default=False)]
