"""An adapter for requests: `session.mount("http://greeter/", client.requests_adapter())` calls services by name.

The calling thread waits while the request is sent on the client's background loop, by the session behind
`client.http`: the same pools, connections and retries as in async code. Proxies are not used, also where the
environment names one.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Iterable, Mapping
from contextlib import suppress
from functools import lru_cache
from http.client import HTTPMessage
from pathlib import Path
from typing import Any, NoReturn, Protocol, TypeVar

import aiohttp

from muster.http.client.prepared import send_prepared
from muster.http.client.session import Session
from muster.model.errors import BadConfiguration

try:
    import requests
    from requests.adapters import BaseAdapter
    from requests.cookies import extract_cookies_to_jar
    from requests.structures import CaseInsensitiveDict
    from requests.utils import get_encoding_from_headers
    from urllib3 import HTTPHeaderDict, HTTPResponse
except ModuleNotFoundError as error:
    raise BadConfiguration("requests needs the extra 'requests': pip install 'muster-discovery[requests]'") from error

T = TypeVar("T")

CHUNK = 64 * 1024
"""Bytes that are read at once from a body that a thread provides."""

_KINDS: tuple[tuple[type[Exception], type[requests.RequestException]], ...] = (
    (aiohttp.InvalidURL, requests.exceptions.InvalidURL),
    (aiohttp.ConnectionTimeoutError, requests.ConnectTimeout),
    (aiohttp.ClientSSLError, requests.exceptions.SSLError),
    (TimeoutError, requests.ReadTimeout),
    (aiohttp.ClientPayloadError, requests.exceptions.ChunkedEncodingError),
    (aiohttp.ClientError, requests.ConnectionError),
)


class Do(Protocol):
    """Runs `work(session)` on the loop that the session belongs to, and waits for its result."""

    def __call__(self, work: Callable[[Session], Coroutine[Any, Any, T]], /) -> T: ...


class Adapter(BaseAdapter):
    """Sends what a requests session asks for to instances of the service that its URL names.

    `timeout=` holds for each attempt; without it the client's own holds, for the whole. `verify=` and `cert=` as ever;
    without them https is as the client was told. Errors are those of requests: ConnectionError where there is nobody
    to call, with NoInstances as its `__cause__`. Closing it changes nothing. For any number of threads.
    """

    def __init__(self, do: Do) -> None:
        super().__init__()
        self._do = do

    def send(
        self,
        request: requests.PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> requests.Response:
        options = {"data": _body(request.body), **_limits(timeout), **_tls(verify, cert)}
        try:
            answer, body = self._do(lambda session: _exchange(session, request, options, stream=stream))
        except (aiohttp.ClientError, TimeoutError) as error:
            _translate(error, request)
        return _response(request, answer, _Body(self._do, answer, request) if body is None else io.BytesIO(body))

    def close(self) -> None:
        return None


async def _exchange(
    session: Session, request: requests.PreparedRequest, options: dict[str, Any], *, stream: bool
) -> tuple[aiohttp.ClientResponse, bytes | None]:
    """The answer, and its body unless that is to be streamed: fetched here, it costs no second change of threads."""
    url, method = request.url or "", request.method or "GET"
    headers = [(name, _text(value)) for name, value in request.headers.items()]
    answer = await send_prepared(session, method, url, headers, **options)
    return answer, None if stream else await answer.read()


def _text(value: str | bytes) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else value


def _response(
    request: requests.PreparedRequest, answer: aiohttp.ClientResponse, body: io.BufferedIOBase | io.RawIOBase
) -> requests.Response:
    headers = HTTPHeaderDict((name.decode("latin-1"), value.decode("latin-1")) for name, value in answer.raw_headers)
    raw = _Raw(
        body,
        headers,
        answer.status,
        reason=answer.reason,
        preload_content=False,
        original_response=_Original(headers),  # type: ignore[arg-type]
        request_method=request.method,
    )
    response = requests.Response()
    response.status_code = answer.status
    response.reason = answer.reason or ""
    response.headers = CaseInsensitiveDict(headers)
    response.encoding = get_encoding_from_headers(response.headers)
    response.url = request.url or ""
    response.request = request
    response.raw = raw
    extract_cookies_to_jar(response.cookies, request, raw)
    return response


class _Raw(HTTPResponse):
    """Gives what has come, as urllib3 does with chunks. Its own way with other bodies is to wait until as much is there
    as was asked for: for the next 512 bytes of a stream of events."""

    def stream(self, amt: int | None = 2**16, decode_content: bool | None = None) -> Generator[bytes, None, None]:
        while data := self.read1(amt, decode_content):
            yield data


class _Original:
    """What requests looks for cookies in: a response of http.client's, as far as it is looked at."""

    def __init__(self, headers: HTTPHeaderDict) -> None:
        self.msg = HTTPMessage()
        for name, value in headers.iteritems():
            self.msg.add_header(name, value)

    def isclosed(self) -> bool:
        return True

    def close(self) -> None:
        return None


class _Body(io.RawIOBase):
    """The body of an answer, which the loop reads when a thread does."""

    def __init__(self, do: Do, answer: aiohttp.ClientResponse, request: requests.PreparedRequest) -> None:
        self._do = do
        self._answer = answer
        self._request = request

    def readable(self) -> bool:
        return True

    def read1(self, size: int = -1) -> bytes:
        """What is there, and something unless it is the end."""
        return self.read(size if size > 0 else CHUNK) or b""

    def readinto(self, buffer: Any) -> int:
        try:
            data = self._do(lambda session: self._answer.content.read(len(buffer)))
        except (aiohttp.ClientError, TimeoutError) as error:
            _translate(error, self._request)
        buffer[: len(data)] = data
        return len(data)

    def close(self) -> None:
        if not self.closed:
            super().close()
            with suppress(RuntimeError):  # with the client, this was closed too
                self._do(self._release)

    async def _release(self, session: Session) -> None:
        self._answer.release()


def _body(body: Any) -> bytes | str | AsyncIterator[bytes] | None:
    """A file or an iterator is read as it is sent, on a thread beside the loop, and cannot be sent twice."""
    if body is None or isinstance(body, bytes | str):
        return body
    return _pieces(iter(lambda: body.read(CHUNK), b"") if hasattr(body, "read") else body)


async def _pieces(pieces: Iterable[bytes | str]) -> AsyncIterator[bytes]:
    iterator = iter(pieces)
    while (piece := await asyncio.to_thread(next, iterator, None)) not in (None, ""):
        yield piece.encode() if isinstance(piece, str) else piece or b""


def _limits(timeout: Any) -> dict[str, aiohttp.ClientTimeout]:
    """For `timeout=`: a number, or one for connecting and one for reading."""
    if timeout is None:
        return {}
    connect, read = timeout if isinstance(timeout, tuple) else (timeout, timeout)
    return {"timeout": aiohttp.ClientTimeout(total=None, sock_connect=connect, sock_read=read)}


def _tls(verify: bool | str, cert: Any) -> dict[str, Any]:
    if verify is True and cert is None:
        return {}
    return {"ssl": _context(verify, tuple(cert) if isinstance(cert, list | tuple) else cert)}


@lru_cache(maxsize=32)
def _context(verify: bool | str, cert: Any) -> ssl.SSLContext:
    """The same one for the same files: connections are shared by requests with the same context."""
    file = verify if isinstance(verify, str) and not Path(verify).is_dir() else None
    folder = verify if isinstance(verify, str) and file is None else None
    context = ssl.create_default_context(cafile=file, capath=folder)
    if verify is False:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if cert is not None:
        context.load_cert_chain(*(cert if isinstance(cert, tuple) else (cert,)))
    return context


def _translate(error: Exception, request: requests.PreparedRequest) -> NoReturn:
    kind = next(theirs for ours, theirs in _KINDS if isinstance(error, ours))
    raise kind(str(error) or type(error).__name__, request=request) from error
