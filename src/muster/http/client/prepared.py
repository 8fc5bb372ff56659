"""Requests that another HTTP library has prepared: its headers, its redirects, its decompression."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import aiohttp
from yarl import URL

from muster.http.client.session import Session

OF_THE_CONNECTION = frozenset({"connection", "keep-alive", "transfer-encoding"})
"""Headers that aiohttp writes by itself, since they are between it and its peer (RFC 9110, section 7.6.1)."""

AUTOMATIC = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""Headers that aiohttp adds where they are missing, and the other library has decided on."""


async def send_prepared(
    session: Session, method: str, url: str, headers: Iterable[tuple[str, str]], **options: Any
) -> aiohttp.ClientResponse:
    """Send it as it is. `options` as for `Session.request`. The body of the answer is as it was sent."""
    return await session.request(
        method,
        URL(url, encoded=True),
        headers=[(name, value) for name, value in headers if name.lower() not in OF_THE_CONNECTION],
        skip_auto_headers=AUTOMATIC,
        allow_redirects=False,
        auto_decompress=False,
        **options,
    )
