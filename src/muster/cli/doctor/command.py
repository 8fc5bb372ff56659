"""`muster doctor`"""

from __future__ import annotations

import os
import platform
import resource
import sys
from collections.abc import Iterator
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Annotated

import typer

from muster.cli.doctor import instances, machine
from muster.cli.doctor.finding import Finding, Level
from muster.cli.options import AsJSON, RegistryURL
from muster.cli.output import note, plain, print_json, print_line
from muster.cli.running import run
from muster.model.errors import MusterError

if TYPE_CHECKING:
    from muster.registry.consul.registry import Consul

LIBRARIES = ("muster-discovery", "grpcio", "aiohttp", "msgspec")


def doctor(
    registry: RegistryURL = None,
    fix: Annotated[bool, typer.Option("--fix", help="Deregister instances of this machine that are no more.")] = False,
    as_json: AsJSON = False,
) -> None:
    """Look for what goes wrong in practice, and say what to do: registry, token, clock, addresses, limits, versions.

    Ends with status 1 if there is a problem. Run it on the machine, and with the environment, of the service.

    Example: **muster doctor --registry consul://127.0.0.1:8500**
    """
    findings = [*run(_of_the_registry(registry, fix)), *_of_the_machine()]
    if as_json:
        print_json([asdict(finding) for finding in findings])
    else:
        _print(findings)
    if any(each.level is Level.PROBLEM for each in findings):
        raise typer.Exit(1)


def _print(findings: list[Finding]) -> None:
    """A line for what was seen, and one below it for what to do."""
    width = max(len(each.about) for each in findings)
    for each in findings:
        print_line(plain(f"{each.level:<8} {each.about:<{width}}  {each.seen}"))
        if each.todo:
            print_line(plain(f"{'':<8} {'':<{width}}  > {each.todo}"))


def _of_the_machine() -> Iterator[Finding]:
    yield from machine.proxies(os.environ)
    yield from machine.overridden(os.environ)
    yield from machine.files(*resource.getrlimit(resource.RLIMIT_NOFILE))
    libraries = {name: version(name) for name in LIBRARIES}
    yield from machine.versions(sys.version_info[:3], libraries | {"system": platform.release()})


async def _of_the_registry(url: str | None, fix: bool) -> list[Finding]:
    from muster.cli.doctor.looking import look
    from muster.cli.doctor.registry import judged
    from muster.registry.consul.registry import Consul
    from muster.registry.url import open_registry

    async with open_registry(url) as registry:
        if not isinstance(registry, Consul):
            return [Finding(Level.OK, "registry", f"{registry}: only Consul and muster's agent can be examined")]
        try:
            found = await registry.inspect()
        except MusterError as error:
            return [Finding(Level.PROBLEM, "registry", str(error), "services cannot register, clients learn nothing")]
        findings = list(judged(found))
        if found.held is not None:
            findings += instances.judged(await look(found.held))
        return await _mended(registry, findings) if fix else findings


async def _mended(registry: Consul, findings: list[Finding]) -> list[Finding]:
    """Deregisters orphans; what is left to tell."""
    left = [each for each in findings if not each.orphan]
    for each in findings:
        if each.orphan:
            await registry.deregister(each.orphan)
            note(f"deregistered {each.orphan}: {each.seen}")
            left.append(Finding(Level.OK, each.about, "deregistered"))
    return left
