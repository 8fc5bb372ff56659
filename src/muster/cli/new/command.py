"""`muster new NAME`"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.misuse import Misuse
from muster.cli.options import ServiceName

if TYPE_CHECKING:
    from muster.cli.new.project import Kind


def new(
    name: ServiceName,
    typed: Annotated[bool, typer.Option("--typed", help="Typed handlers, without protobuf (the default).")] = False,
    grpc: Annotated[bool, typer.Option("--grpc", help="A .proto file and its generated code.")] = False,
    fastapi: Annotated[bool, typer.Option("--fastapi", help="A FastAPI application under uvicorn.")] = False,
) -> None:
    """Make a small project in a new directory NAME: a service, a test, a Dockerfile, a compose file with Consul.

    Example: **muster new orders --typed**
    """
    from pathlib import Path

    from muster.cli.new.naming import package_of
    from muster.cli.new.project import project
    from muster.cli.new.writing import require_protoc, run_protoc, write
    from muster.cli.output import print_line

    kind = _kind(typed, grpc, fastapi)
    package, files, directory = package_of(name), project(name, kind), Path(name)
    if kind.protobuf:
        require_protoc()
    write(directory, files)
    if kind.protobuf:
        run_protoc(directory, f"{package}/{package}.proto")
    print_line(f"{name} is made. How it goes on is in {directory / 'README.md'}; in short:")
    print_line(f"  cd {name} && pip install -e '.[test]' && pytest")


def _kind(typed: bool, grpc: bool, fastapi: bool) -> Kind:
    from muster.cli.new.project import FASTAPI, GRPC, TYPED

    chosen = [kind for kind, wanted in ((TYPED, typed), (GRPC, grpc), (FASTAPI, fastapi)) if wanted]
    if len(chosen) > 1:
        raise Misuse(f"--{chosen[0].name} and --{chosen[1].name} are two kinds of project: choose one")
    return chosen[0] if chosen else TYPED
