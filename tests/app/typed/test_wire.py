"""What foreign gRPC clients send: JSON that is called by its name, `application/grpc+json`.

Python's cannot, so the bytes are written here (RFC 9113 and RFC 7541, literal fields without indexing).
"""

from __future__ import annotations

import asyncio
import struct

import pytest
from tests.app.typed.conftest import Greeter

from muster.model.instance import split_host_port

pytestmark = pytest.mark.anyio

DATA, HEADERS, SETTINGS = 0, 1, 4
END_STREAM, END_HEADERS = 1, 4


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + struct.pack(">BBI", kind, flags, stream) + payload


def literal(text: str) -> bytes:
    return bytes([len(text)]) + text.encode()


def head(**fields: str) -> bytes:
    names = {"content_type": "content-type", "te": "te"}
    return b"".join(b"\x00" + literal(names.get(name, f":{name}")) + literal(value) for name, value in fields.items())


async def reply(reader: asyncio.StreamReader) -> bytes:
    """The first message of the answer."""
    while True:
        size, kind, _, _ = struct.unpack(">IBBI", b"\x00" + await reader.readexactly(9))
        payload = await reader.readexactly(size)
        if kind == DATA:
            return payload[5:]


@pytest.mark.parametrize("content_type", ["application/grpc+json", "application/grpc"])
async def test_the_path_decides_that_messages_are_json(greeter: Greeter, content_type: str) -> None:
    host, port = split_host_port(greeter.service.address)
    reader, writer = await asyncio.open_connection(host, port)
    message = b'{"name": "world"}'
    fields = head(
        method="POST",
        scheme="http",
        path="/greeter.Say/Hello",
        authority="greeter",
        content_type=content_type,
        te="trailers",
    )
    writer.write(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + frame(SETTINGS, 0, 0, b""))
    writer.write(frame(HEADERS, END_HEADERS, 1, fields))
    writer.write(frame(DATA, END_STREAM, 1, b"\x00" + struct.pack(">I", len(message)) + message))
    async with asyncio.timeout(30):
        assert await reply(reader) == b'{"message":"Hello world"}'
    writer.close()
    await writer.wait_closed()
