"""HTTP headers as gRPC metadata, and back. Pure.

Only what is listed here passes: a header that the gateway does not know may mean something to a service that trusts
its callers. The prefix is that of grpc-gateway.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterable

from muster.gateway.exchange import Headers, Request
from muster.gateway.problem import Refused, refused

FORWARDED = frozenset({b"authorization", b"x-request-id", b"traceparent", b"tracestate", b"baggage"})
"""Headers that become metadata of the same name."""

PREFIX = b"grpc-metadata-"
"""`Grpc-Metadata-Tenant: a` becomes the metadata `tenant: a`; metadata of an answer comes back in the same way."""

TIMEOUT = b"grpc-timeout"

_KEY = re.compile(rb"[a-z0-9_.-]+")
_VALUE = re.compile(rb"[\x20-\x7e]*")
_TIMEOUT = re.compile(r"(\d{1,8})([HMSmun])")
_UNITS = {"H": 3600.0, "M": 60.0, "S": 1.0, "m": 1e-3, "u": 1e-6, "n": 1e-9}
_RESERVED = (b"grpc-", b":")
_OF_THE_CONNECTION = frozenset(
    b"connection content-length content-type host keep-alive proxy-authenticate proxy-authorization te trailer "
    b"transfer-encoding upgrade user-agent".split()
)
"""These mean something to the connection itself, in HTTP/1.1 or in HTTP/2: smuggled in, they could split a request."""

Metadata = tuple[tuple[str, str | bytes], ...]


def metadata_of(headers: Headers) -> Metadata:
    """The metadata for a call. Raises Refused 400 for what gRPC cannot carry."""
    return tuple(_entry(*named) for name, value in headers if (named := _named(name, value)) is not None)


def headers_of(metadata: Iterable[tuple[str, str | bytes]]) -> Headers:
    """The metadata that a service answered with, as headers with the prefix; those about the connection stay here."""
    return tuple(
        (PREFIX + name, base64.b64encode(value) if isinstance(value, bytes) else value.encode("latin-1", "replace"))
        for key, value in metadata
        if _may_pass(name := key.lower().encode("latin-1", "replace"))
    )


def timeout_of(request: Request, limit: float) -> float:
    """Seconds that the call may take: what `Grpc-Timeout` asks for, at most `limit`.

    In gRPC's notation: digits and one of H, M, S, m, u, n, such as 500m for half a second
    (https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md). Raises Refused 400 for anything else.
    """
    text = request.header(TIMEOUT)
    if text is None:
        return limit
    match = _TIMEOUT.fullmatch(text)
    if not match:
        raise _refusal(TIMEOUT, f"expected a time such as 500m or 2S, found {text[:40]!r}")
    return min(int(match[1]) * _UNITS[match[2]], limit)


def _named(name: bytes, value: bytes) -> tuple[bytes, bytes] | None:
    if name in FORWARDED:
        return name, value
    return (name.removeprefix(PREFIX), value) if name.startswith(PREFIX) else None


def _entry(name: bytes, value: bytes) -> tuple[str, str | bytes]:
    if not _may_pass(name) or not _KEY.fullmatch(name):
        raise _refusal(PREFIX + name, "cannot become metadata of that name")
    if name.endswith(b"-bin"):
        return name.decode(), _binary(name, value)
    if not _VALUE.fullmatch(value):
        raise _refusal(name, "has characters that metadata cannot carry")
    return name.decode(), value.decode()


def _binary(name: bytes, value: bytes) -> bytes:
    try:
        return base64.b64decode(value + b"=" * (-len(value) % 4), validate=True)
    except binascii.Error:
        raise _refusal(name, "has to be base64, since its name ends in -bin") from None


def _may_pass(name: bytes) -> bool:
    return not name.startswith(_RESERVED) and name not in _OF_THE_CONNECTION


def _refusal(name: bytes, why: str) -> Refused:
    return refused(400, "INVALID_ARGUMENT", f"header {name.decode('latin-1')[:80]!r}: {why}")
