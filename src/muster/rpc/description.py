"""What a service's handlers take and give, as JSON Schema: a document that is asked of the instance.

A registry has no room for it (Consul takes 512 characters a value); it holds the document's digest, so that whoever
has read one knows whether another instance says the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import sha256
from typing import Any

import msgspec

from muster.rpc.codec import schema
from muster.rpc.contract import Operation

METADATA = "muster-schema"
"""The key under which the registry holds the digest."""

GRPC_PATH = "/muster.Schema/Describe"
HTTP_PATH = "/-/schema"
"""Where the document is asked for: an empty message, and a GET."""


def description(service: str, offered: Iterable[Operation]) -> bytes:
    """The document, the same bytes for the same operations in whatever order. Empty for none."""
    found = sorted(offered, key=lambda each: each.short)
    if not found:
        return b""
    kinds = [kind for each in found for kind in (type(None) if each.request is None else each.request, each.reply)]
    schemas, definitions = schema(kinds)
    endpoints = [_endpoint(service, each, *pair) for each, pair in zip(found, _pairs(schemas), strict=True)]
    document = {"service": service, "endpoints": endpoints, "$defs": definitions}
    return msgspec.json.encode(document, order="deterministic")


def digest(document: bytes) -> str:
    """Twelve hexadecimal digits."""
    return sha256(document).hexdigest()[:12]


def _pairs(schemas: list[dict[str, Any]]) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    return list(zip(schemas[::2], schemas[1::2], strict=True))


def _endpoint(service: str, each: Operation, request: dict[str, Any], reply: dict[str, Any]) -> dict[str, Any]:
    described = each.endpoint(service)
    return {
        "path": described.path,
        "http": each.route,
        "summary": each.summary,
        "request": request,
        "reply": reply,
        "request_type": described.request,
        "reply_type": described.response,
        "client_streaming": each.takes_stream,
        "server_streaming": each.gives_stream,
        "idempotent": each.idempotent,
    }
