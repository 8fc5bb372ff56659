"""An answer that goes on until its client leaves, or the agent ends."""

from __future__ import annotations

from muster.agent.api.answer import Pieces, Stream
from muster.agent.api.writing import VARY
from muster.http.asgi import Receive, Send
from muster.watch.background import background_tasks


async def stream(answer: Stream, receive: Receive, send: Send) -> None:
    """Send what comes. A client that reads slowly is waited for; one that leaves ends it."""
    await send({"type": "http.response.start", "status": 200, "headers": [VARY]})
    with answer.opened() as pieces:
        async with background_tasks() as tasks:
            sending = tasks.create_task(_send(pieces, send))
            while (await receive())["type"] != "http.disconnect":
                pass
            sending.cancel()


async def _send(pieces: Pieces, send: Send) -> None:
    await send({"type": "http.response.body", "body": b"", "more_body": True})
    while piece := await pieces.next():
        await send({"type": "http.response.body", "body": piece, "more_body": True})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
