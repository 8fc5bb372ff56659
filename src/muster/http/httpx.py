"""A transport for httpx: `httpx.AsyncClient(transport=client.httpx_transport())` calls services by name.

It sends by the session behind `client.http`: the same pools, connections and retries, HTTP/1.1. Proxies are not used,
also where the environment names one.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import NoReturn

import aiohttp

from muster.http.client.prepared import send_prepared
from muster.http.client.session import Session
from muster.model.errors import BadConfiguration

try:
    import httpx
except ModuleNotFoundError as error:
    raise BadConfiguration("httpx needs the extra 'httpx': pip install 'muster-discovery[httpx]'") from error

_KINDS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientOSError, httpx.ReadError),
    (aiohttp.ClientError, httpx.RemoteProtocolError),
)


class Transport(httpx.AsyncBaseTransport):
    """Sends what an httpx client asks for to instances of the service that its URL names.

    httpx's time limits hold for each attempt. Errors are httpx's: ConnectError where there is nobody to call, with
    NoInstances as its `__cause__`. Closing it, with the client that it was made for, changes nothing.
    """

    def __init__(self, session: Session) -> None:
        self._session = session

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        try:
            response = await send_prepared(
                self._session,
                request.method,
                str(request.url),
                request.headers.multi_items(),
                data=_body(request),
                timeout=_timeout(request),
            )
        except (aiohttp.ClientError, TimeoutError) as error:
            _translate(error, request)
        return httpx.Response(
            response.status,
            headers=list(response.raw_headers),
            stream=_Stream(response, request),
            extensions={
                "http_version": b"HTTP/1.1",
                "reason_phrase": (response.reason or "").encode("ascii", "ignore"),
            },
        )


class _Stream(httpx.AsyncByteStream):
    """The body of an answer, as it comes from the connection; httpx decompresses it."""

    def __init__(self, response: aiohttp.ClientResponse, request: httpx.Request) -> None:
        self._response = response
        self._request = request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for chunk in self._response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError) as error:
            _translate(error, self._request)

    async def aclose(self) -> None:
        self._response.release()


def _body(request: httpx.Request) -> bytes | httpx.AsyncByteStream | None:
    """The body, whole where httpx has it whole: then it can be sent again."""
    if isinstance(request.stream, httpx.ByteStream):
        return b"".join(request.stream) or None
    assert isinstance(request.stream, httpx.AsyncByteStream), "httpx.AsyncClient refuses others"
    return request.stream


def _timeout(request: httpx.Request) -> aiohttp.ClientTimeout:
    limits = request.extensions.get("timeout", {})
    return aiohttp.ClientTimeout(
        total=None, connect=limits.get("pool"), sock_connect=limits.get("connect"), sock_read=limits.get("read")
    )


def _translate(error: Exception, request: httpx.Request) -> NoReturn:
    kind = next(theirs for ours, theirs in _KINDS if isinstance(error, ours))
    raise kind(str(error) or type(error).__name__, request=request) from error
