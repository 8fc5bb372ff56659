"""A process beside gunicorn's master that keeps its WSGI application registered.

`python -m muster.app.companion`: the first line of its standard input says what to register, as JSON; a second one, or
the end of the input, that it is time to leave. It ends when it has left and clients have had time to notice.

A process of its own, since the master forks: neither threads nor event loops survive that well.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from functools import partial
from typing import Any

from muster.app.joining import Options, joining
from muster.app.lifespan import unproven
from muster.app.presence import Presence
from muster.http.finding import reach_of
from muster.serve.settings import Timing
from muster.watch.background import background_tasks


def line(name: str, options: Options) -> str:
    """What to write to a companion first. Raises Rejected and BadConfiguration for what cannot be used."""
    joining("hooks", name, options).check()
    timing = options.get("timing") or Timing()
    numbers = {field: getattr(timing, field) for field in timing.__slots__}
    return json.dumps({**options, "name": name, "timing": numbers, "tags": list(options.get("tags", ()))}) + "\n"


def _read(said: str) -> tuple[str, Options]:
    options: dict[str, Any] = json.loads(said)
    name = options.pop("name")
    return name, Options(**{**options, "timing": Timing(**options["timing"])})  # type: ignore[typeddict-item]


async def keep(name: str, options: Options, told: asyncio.StreamReader) -> None:
    """Registered until `told` says something, or ends."""
    joins = joining("hooks", name, options)
    async with background_tasks() as tasks:
        presence = Presence(joins, partial(reach_of, health=joins.health), unproven)
        presence.start(tasks)
        await told.readline()
        await presence.leave()


async def main() -> None:
    told = asyncio.StreamReader()
    transport, _ = await asyncio.get_running_loop().connect_read_pipe(
        lambda: asyncio.StreamReaderProtocol(told), sys.stdin
    )
    try:
        if said := await told.readline():
            await keep(*_read(said.decode()), told)
    finally:
        transport.close()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    asyncio.run(main())
