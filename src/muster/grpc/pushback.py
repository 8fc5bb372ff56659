"""The pause that a server asks for before another attempt."""

from __future__ import annotations

import grpc.aio
from google.protobuf.message import DecodeError
from google.rpc.error_details_pb2 import RetryInfo
from google.rpc.status_pb2 import Status

PUSHBACK = "grpc-retry-pushback-ms"
"""https://github.com/grpc/proposal/blob/master/A6-client-retries.md#pushback"""

DETAILS = "grpc-status-details-bin"
"""A google.rpc.Status; among its details may be a RetryInfo (https://google.aip.dev/194, error_details.proto)."""


def pushback(trailing: grpc.aio.Metadata | None) -> float | None:
    """The pause in seconds: negative for "not again", None if the server says nothing.

    A RetryInfo is heard where there is no pushback of gRPC's own. One that cannot be read says nothing.
    """
    if not trailing:
        return None
    text = trailing.get(PUSHBACK)
    if text is not None:
        return int(text) / 1000 if isinstance(text, str) and text.isascii() and text.isdigit() else -1.0
    details = trailing.get(DETAILS)
    return _retry_delay(details) if isinstance(details, bytes) else None


def _retry_delay(details: bytes) -> float | None:
    info = RetryInfo()
    try:
        found = any(detail.Unpack(info) for detail in Status.FromString(details).details)
    except DecodeError:
        return None
    return max(0.0, info.retry_delay.seconds + info.retry_delay.nanos / 1e9) if found else None
