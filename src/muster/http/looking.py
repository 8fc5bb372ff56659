"""One look at a health path, for a register check."""

from __future__ import annotations

from muster.model.errors import RegistryUnavailable


class NotHealthy(RegistryUnavailable):
    """The health path answered otherwise than with 2xx, or not at all. Looking again may help."""


async def look(url: str, seconds: float) -> None:
    """Returns if GET `url` is answered with 2xx within `seconds`; certificates are not judged. Raises NotHealthy."""
    import aiohttp

    timeout = aiohttp.ClientTimeout(total=seconds)
    try:
        async with aiohttp.ClientSession(timeout=timeout) as session, session.get(url, ssl=False) as response:
            if not 200 <= response.status < 300:
                raise NotHealthy(f"{url} answers {response.status}")
    except TimeoutError as error:
        raise NotHealthy(f"{url} does not answer within {seconds:g} s") from error
    except (aiohttp.ClientError, OSError) as error:
        raise NotHealthy(f"{url}: {error}") from error
