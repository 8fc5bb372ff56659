"""`muster services`"""

from __future__ import annotations

import os
from collections.abc import Mapping

from muster.cli.options import AsJSON, RegistryURL
from muster.cli.output import note, print_json, print_table
from muster.cli.running import run
from muster.model.events import ignore


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
        note(f"no service is registered{_hint(registry)}")


def _hint(registry: str | None) -> str:
    from muster.registry.url import resolve_url, split_url

    url = resolve_url(registry, os.environ).url
    alone = split_url(url).base_scheme == "memory"
    return f": {url} is this process's own, other processes do not see it" if alone else ""


async def _names(registry: str | None) -> Mapping[str, frozenset[str]]:
    from muster import Client

    async with Client(registry, observe=ignore) as client:
        return await client.names()
