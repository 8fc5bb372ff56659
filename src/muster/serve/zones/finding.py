"""From the argument and the environment to the zone.

The first of these that is set:

    the argument
    MUSTER_ZONE         the zone itself
    MUSTER_ZONE_FROM    who knows it: `file:PATH`, `ec2`, or the name of an entry point of the group `muster.zones`,
                        with what follows its colon as its argument

Nobody is asked unless MUSTER_ZONE_FROM says so: a machine without such a service would wait for it at every start.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Callable, Mapping
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast

from muster.model.errors import BadConfiguration

log = logging.getLogger("muster.serve")

Source = Callable[[str], Awaitable[str]]
"""An async function from the text after the colon, which may be empty, to the zone.

It raises BadConfiguration for a setting that can never work, and OSError while who knows the zone cannot be asked. It
is cancelled after PATIENCE.
"""

GROUP = "muster.zones"
PATIENCE = 2.0
"""Seconds for a source to answer. Such services are on the same machine, or one hop away."""

_BUILT_IN = {"ec2": "muster.serve.zones.ec2", "file": "muster.serve.zones.file"}
_ZONE = re.compile(r"[\w./-]{1,128}")


async def zone_of(given: str, environ: Mapping[str, str]) -> str:
    """The zone of this process, empty where it is not known.

    A source that does not answer, or with what is no zone, is a warning in the log: without a zone an instance gets its
    calls from everywhere, and that is better than none. Raises BadConfiguration for a source that there is not, and for
    what it refuses.
    """
    if zone := given or environ.get("MUSTER_ZONE", "").strip():
        return zone
    asked = environ.get("MUSTER_ZONE_FROM", "").strip()
    return await _ask(asked) if asked else ""


async def _ask(asked: str) -> str:
    name, _, argument = asked.partition(":")
    source = _source(name, asked)
    try:
        async with asyncio.timeout(PATIENCE):
            zone = (await source(argument)).strip()
    except OSError as error:  # TimeoutError is one
        log.warning("no zone: MUSTER_ZONE_FROM=%s: %s", asked, str(error) or f"no answer in {PATIENCE:.0f} s")
        return ""
    if not _ZONE.fullmatch(zone):
        log.warning("no zone: MUSTER_ZONE_FROM=%s answered %.40r, which is none", asked, zone)
        return ""
    return zone


def _source(name: str, asked: str) -> Source:
    if module := _BUILT_IN.get(name):
        return cast(Source, import_module(module).zone)
    for found in entry_points(group=GROUP, name=name):
        return cast(Source, found.load())
    known = sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))})
    raise BadConfiguration(f"MUSTER_ZONE_FROM={asked}: nobody is called {name!r}; known: {', '.join(known)}")
