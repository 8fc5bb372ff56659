"""A web server in a process of its own: `web_process.py ID PORT` prints the port that it listens at.

At SIGTERM it does as servers do that leave: it takes no more connections, answers what it has begun, and says
`Connection: close` to what comes on connections that are still there.
"""

from __future__ import annotations

import asyncio
import signal
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).parent))

from web_server import Web


async def main(id: str, port: str) -> None:
    stopping = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stopping.set)
    server = Web(id)
    await server.start(int(port), reuse_port=False)
    print(server.port, flush=True)
    await stopping.wait()
    await server.stop()


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
