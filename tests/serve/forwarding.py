"""What Docker's own proxy does for a mapped port: passes connections on. Arguments: LISTEN TARGET [LISTEN TARGET...]"""

from __future__ import annotations

import asyncio
import sys
from contextlib import closing
from functools import partial


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with closing(writer):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


async def forward(target: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    host, _, port = target.rpartition(":")
    with closing(writer):
        try:
            far_reader, far_writer = await asyncio.open_connection(host, int(port))
            await asyncio.gather(pump(reader, far_writer), pump(far_reader, writer))
        except ConnectionError:
            pass  # as the other side sees it: the connection ends


async def main() -> None:
    for listen, target in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        host, _, port = listen.rpartition(":")
        await asyncio.start_server(partial(forward, target), host, int(port))
    await asyncio.get_running_loop().create_future()


asyncio.run(main())
