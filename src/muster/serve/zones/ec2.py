"""The zone that Amazon's metadata service gives a machine: IMDSv2, which wants a token first.

The zone's name (eu-west-1a), not its id (euw1-az1): it is what people and other tools say. One account's names mean the
same zones everywhere.

In a container on a bridge, packets have one hop more than the service lets its answers make unless told otherwise: it
does not answer there until the instance's `HttpPutResponseHopLimit` is 2.
"""

from __future__ import annotations

import os

ENDPOINT = "http://169.254.169.254"
_ENDPOINT_VARIABLE = "AWS_EC2_METADATA_SERVICE_ENDPOINT"
"""Amazon's own tools heed it too."""

_MOST = 256
"""Bytes of an answer; a token has 56."""


async def zone(endpoint: str) -> str:
    """The availability zone. `endpoint`: http://HOST:PORT of the service, where it is another.

    Raises OSError where nobody answers, or not as that service does.
    """
    import aiohttp

    base = (endpoint or os.environ.get(_ENDPOINT_VARIABLE) or ENDPOINT).rstrip("/")

    async def ask(session: aiohttp.ClientSession, method: str, path: str, headers: dict[str, str]) -> str:
        async with session.request(method, f"{base}/latest/{path}", headers=headers, allow_redirects=False) as answer:
            if answer.status != 200:
                raise ConnectionError(f"{base}/latest/{path} answered {answer.status}")
            return (await answer.content.read(_MOST)).decode("ascii", "replace")

    try:
        async with aiohttp.ClientSession() as session:  # which heeds no proxy variables
            token = await ask(session, "PUT", "api/token", {"X-aws-ec2-metadata-token-ttl-seconds": "60"})
            known = {"X-aws-ec2-metadata-token": token}
            return await ask(session, "GET", "meta-data/placement/availability-zone", known)
    except (aiohttp.ClientError, ValueError) as error:
        raise ConnectionError(f"{base} cannot be asked: {error}") from error
