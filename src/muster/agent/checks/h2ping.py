"""One look at an HTTP/2 server: it is well if it answers a PING (RFC 9113, sections 3.4 and 6.7)."""

from __future__ import annotations

import asyncio
import ssl
import struct

from muster.agent.checks.definition import CheckDefinition
from muster.agent.checks.state import Result
from muster.agent.checks.target import dial_error, split_target, timeout_of
from muster.agent.checks.tls import client_context, tls_error
from muster.model.check import Health

_PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_SETTINGS, _PING, _GOAWAY = 0x4, 0x6, 0x7
_ACK = 0x1
_LARGEST_FRAME = 16384
_DATA = b"muster!?"


async def look(definition: CheckDefinition) -> Result:
    """Connect, ping, close. Never raises but for cancellation: failure is a result."""
    try:
        async with asyncio.timeout(timeout_of(definition)):
            return await _pinged(definition)
    except TimeoutError:
        return _critical("HTTP2 ping failed: context deadline exceeded")


async def _pinged(definition: CheckDefinition) -> Result:
    host, port, problem = split_target(definition.target)
    if problem:
        return _critical(f"Failed to dial to {definition.target}: {problem}")
    context = client_context(verify=not definition.tls_skip_verify, h2=True) if definition.tls else None
    name = (definition.tls_server_name or host) if definition.tls else None
    try:
        reader, writer = await asyncio.open_connection(host, port, ssl=context, server_hostname=name)
    except ssl.SSLError as error:
        return _critical(f"Failed to dial to {definition.target}: {tls_error(error, name or host)}")
    except TimeoutError:
        raise
    except (OSError, UnicodeError) as error:
        return _critical(f"Failed to dial to {definition.target}: {dial_error(host, port, error)}")
    try:
        writer.write(_PREFACE + _frame(_SETTINGS, b"") + _frame(_PING, _DATA))
        return await _heard(reader)
    finally:
        writer.transport.abort()


async def _heard(reader: asyncio.StreamReader) -> Result:
    """Reads frames until the ping comes back. The peer's settings need no answer from who leaves at once."""
    while True:
        try:
            head = await reader.readexactly(9)
            length, kind, flags = int.from_bytes(head[:3]), head[3], head[4]
            if length > _LARGEST_FRAME:
                return _critical("HTTP2 ping failed: http2: frame too large")
            payload = await reader.readexactly(length)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            return _critical(f"HTTP2 ping failed: {'EOF' if isinstance(error, EOFError) else error}")
        if (kind, payload) == (_PING, _DATA) and flags & _ACK:
            return Result(Health.PASSING, "HTTP2 ping was successful")
        if kind == _GOAWAY:
            return _critical("HTTP2 ping failed: http2: server sent GOAWAY and closed the connection")


def _frame(kind: int, payload: bytes) -> bytes:
    return struct.pack(">I", len(payload))[1:] + bytes((kind, 0)) + bytes(4) + payload


def _critical(output: str) -> Result:
    return Result(Health.CRITICAL, output)
