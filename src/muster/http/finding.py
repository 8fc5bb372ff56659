"""Whether it is this service that answers at an address, and by which scheme: asked by the service itself."""

from __future__ import annotations

from muster.rpc.identity import HEADER

SECONDS = 2.0
"""That one answer may take."""


async def who_answers(url: str) -> str | None:
    """The id in the answer to GET `url`, whatever its status; None where nobody answers, or nobody of muster's.

    A certificate is not judged: it is the service's own.
    """
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=SECONDS)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=False) as response:
            return response.headers.get(HEADER)
    except (aiohttp.ClientError, TimeoutError, OSError):
        return None
