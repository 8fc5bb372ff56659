"""What a server that is about to go tells its callers."""

from __future__ import annotations

from muster.http.asgi import Message, Send

_CLOSE = (b"connection", b"close")


def closing(send: Send) -> Send:
    """As `send`, with `Connection: close` in the head of the answer: whoever calls again has to connect elsewhere.

    For HTTP/1.1. HTTP/2 has no such header (RFC 9113, section 8.2.2); there the server says GOAWAY.
    """

    async def told(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = [pair for pair in message.get("headers", ()) if pair[0].lower() != b"connection"]
            message = {**message, "headers": [*headers, _CLOSE]}
        await send(message)

    return told
