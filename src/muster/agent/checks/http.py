"""One look at a URL: 2xx is passing, 429 warning, all else critical.

aiohttp is imported when the first HTTP check is registered, so that an agent without any starts fast.
"""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from typing import TYPE_CHECKING

from muster.agent.checks.definition import CheckDefinition
from muster.agent.checks.state import OUTPUT_LIMIT, Result, tail
from muster.agent.checks.target import dial_error
from muster.model.check import Health

if TYPE_CHECKING:
    from aiohttp import ClientError, ClientResponse, ClientSession

DEFAULT_TIMEOUT = 10.0
DEFAULT_HEADERS = {"User-Agent": "Consul Health Check", "Accept": "text/plain, text/*, */*", "Accept-Encoding": "gzip"}
_LARGEST_BODY = 1 << 20
_log = logging.getLogger("muster.agent.checks")


class HTTPLooks:
    """Looks at URLs over one session, which is opened for the first look and closed with `stack`.

    No connection is kept between looks: a target that closed its side must not look like a failure, and one behind a
    balancer must not be the same copy every time. Proxies from the environment are not used.
    """

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self._session: ClientSession | None = None

    async def look(self, definition: CheckDefinition) -> Result:
        """One request, redirects followed. Never raises but for cancellation: failure is a result."""
        import aiohttp

        try:
            async with (
                asyncio.timeout(definition.timeout or DEFAULT_TIMEOUT),
                self._open().request(
                    definition.method,
                    definition.target,
                    headers=_headers(definition),
                    data=definition.body.encode() or None,
                    ssl=not definition.tls_skip_verify,
                    skip_auto_headers=("Content-Type",),
                ) as response,
            ):
                return _judge(definition, response, await _last_bytes(response, definition.output_limit))
        except TimeoutError:
            return _failed(definition, "context deadline exceeded (Client.Timeout exceeded while awaiting headers)")
        except aiohttp.ClientError as error:
            return _failed(definition, _reason(definition.target, error))
        except (OSError, ValueError) as error:
            return _failed(definition, str(error))

    def _open(self) -> ClientSession:
        if self._session is None:
            import aiohttp

            connector = aiohttp.TCPConnector(force_close=True, limit=0)
            timeout = aiohttp.ClientTimeout(total=None)
            self._session = aiohttp.ClientSession(
                connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar()
            )
            self._stack.push_async_callback(self._session.close)
        return self._session


def _headers(definition: CheckDefinition) -> dict[str, str]:
    """Consul's own headers under those of the check. Of a header with several values the first is sent."""
    headers = {name.title(): value for name, value in DEFAULT_HEADERS.items()}
    headers.update({name.title(): values[0] for name, values in definition.headers.items() if values})
    return headers


def _judge(definition: CheckDefinition, response: ClientResponse, body: str) -> Result:
    status = f"{response.status} {response.reason or ''}".strip()
    output = f"HTTP {definition.method} {definition.target}: {status} Output: {body}"
    if 200 <= response.status < 300:
        return Result(Health.PASSING, output)
    return Result(Health.WARNING if response.status == 429 else Health.CRITICAL, output)


async def _last_bytes(response: ClientResponse, limit: int) -> str:
    """The end of the body. Reading stops at 1 MiB: a target that never stops sending must not hold the check up."""
    kept, seen = b"", 0
    async for chunk in response.content.iter_any():
        kept = (kept + chunk)[-(limit or OUTPUT_LIMIT) :]
        seen += len(chunk)
        if seen > _LARGEST_BODY:
            _log.debug("a health check's answer is larger than %d bytes; the rest is not read", _LARGEST_BODY)
            break
    return tail(kept, limit)


def _failed(definition: CheckDefinition, why: str) -> Result:
    return Result(Health.CRITICAL, f'{definition.method.title()} "{definition.target}": {why}')


def _reason(target: str, error: ClientError) -> str:
    import aiohttp

    if isinstance(error, aiohttp.NonHttpUrlClientError | aiohttp.InvalidUrlClientError):
        scheme, found, _ = target.partition("://")
        return f'unsupported protocol scheme "{scheme if found else ""}"'
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {error.host}: no such host"
    if isinstance(error, aiohttp.ClientConnectorError) and not isinstance(error, aiohttp.ClientSSLError):
        return dial_error(error.host, error.port or 0, error.os_error)
    if isinstance(error, aiohttp.TooManyRedirects):
        return "stopped after 10 redirects"
    if isinstance(error, aiohttp.ServerDisconnectedError):
        return "EOF"
    return str(error) or type(error).__name__
