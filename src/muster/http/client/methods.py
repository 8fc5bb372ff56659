"""Which requests say by themselves that they may be processed twice."""

from __future__ import annotations

import aiohttp

SAFE = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that are tried again without being declared idempotent (RFC 9110, section 9.2.1)."""

IDEMPOTENCY_KEY = "Idempotency-Key"
"""A header by which a request is declared idempotent (draft-ietf-httpapi-idempotency-key-header)."""


def is_idempotent(request: aiohttp.ClientRequest) -> bool:
    """Whether `request` says by itself that it may be processed twice."""
    return request.method in SAFE or IDEMPOTENCY_KEY in request.headers
