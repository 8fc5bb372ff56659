"""A greeter in a process of its own: `greeter_process.py ID PORT` prints the port that it listens at."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

sys.path += [str(Path(__file__).parent), str(Path(__file__).parents[3] / "examples" / "greeter")]

from conftest import start_greeter


async def main(id: str, port: str) -> None:
    greeter = await start_greeter(id, int(port))
    print(greeter.port, flush=True)
    await greeter.server.wait_for_termination()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
