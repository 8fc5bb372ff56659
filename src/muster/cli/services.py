"""`muster services`"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing

from muster.cli.options import AsJSON, RegistryURL
from muster.cli.output import note, print_json, print_table
from muster.cli.running import run
from muster.model.errors import BadConfiguration


def services(registry: RegistryURL = None, as_json: AsJSON = False) -> None:
    """List the services that are registered, and the tags in use.

    Example: **muster services --registry consul://127.0.0.1:8500**
    """
    found = run(_names(registry))
    if as_json:
        print_json([{"name": name, "tags": sorted(tags)} for name, tags in sorted(found.items())])
    elif found:
        print_table(("service", "tags"), [(name, " ".join(sorted(tags))) for name, tags in sorted(found.items())])
    else:
        note("no service is registered")


async def _names(url: str | None) -> Mapping[str, frozenset[str]]:
    from muster.registry.protocol import Discovery
    from muster.registry.url import open_registry

    async with open_registry(url) as registry:
        if not isinstance(registry, Discovery):
            raise BadConfiguration(f"{registry} can be written to, but not be asked for services")
        async with aclosing(registry.watch_names()) as answers:
            return await anext(answers)
