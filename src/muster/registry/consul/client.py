"""One agent's HTTP API: sending, receiving within limits, and an error for what goes wrong on the way."""

from __future__ import annotations

import asyncio
import errno
import os
import ssl
from base64 import b64encode
from dataclasses import dataclass, replace
from functools import cached_property
from urllib.parse import quote

import aiohttp
from yarl import URL

from muster.model.errors import BadConfiguration, RegistryUnavailable
from muster.registry.consul.answers import Answer, Unreachable
from muster.registry.consul.config import PORT, TLS, Address, Config
from muster.registry.consul.lanes import Lanes
from muster.registry.consul.token import Token

CONNECT_SECONDS = 5.0
LARGEST_ANSWER = 256 * 1024 * 1024
"""Bytes of an unpacked answer. 10,000 instances of one name are about 10 MB; more than this is no catalog."""

_KEEPALIVE_SECONDS = 60.0
"""How long an unused connection stays open: longer than the pause between heartbeats, which then need not reconnect."""

_CHUNK = 256 * 1024
_LARGE = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Request:
    """One request. `path` is percent-encoded; `seconds` bounds all of it, the answer included.

    `index` above 0 makes it a blocking query, which the agent may hold for `wait` seconds. `headers` go before the
    client's own.
    """

    method: str
    path: str
    seconds: float
    params: tuple[tuple[str, str], ...] = ()
    body: bytes | None = None
    index: int = 0
    wait: float = 0.0
    headers: tuple[tuple[str, str], ...] = ()

    def at_once(self) -> Request:
        """The same without blocking: what to ask of another agent, which knows nothing of the index."""
        return replace(self, index=0)

    @property
    def query(self) -> str:
        pairs = list(self.params)
        if self.index:
            pairs += [("index", str(self.index)), ("wait", f"{round(self.wait * 1000)}ms")]
        return "&".join(f"{quote(name)}={quote(value, safe='')}" for name, value in pairs)


class Client:
    """The HTTP API of the agent at `address`, from one event loop.

    It keeps two sets of connections, since heartbeats must not wait behind reads: blocked queries may use up every
    connection that an agent grants to one client. They are opened when first used; `close` closes them. A request
    that is cancelled closes its connection at once, so that the agent stops working for it.
    """

    def __init__(self, address: Address, config: Config, token: Token) -> None:
        self._address = address
        self._config = config
        self._token = token
        self._reading: aiohttp.ClientSession | None = None
        self._writing: aiohttp.ClientSession | None = None
        self._lanes = Lanes(address.host, address.port, address.socket)

    def __str__(self) -> str:
        return str(self._address)

    async def read(self, request: Request) -> Answer:
        """Send a request that changes nothing. Raises RegistryUnavailable where no whole answer comes back."""
        if self._reading is None:
            # aiohttp sends a GET again when its connection breaks. A blocked query that is sent again to an agent that
            # has restarted meanwhile waits for an index of the agent's former life: up to the whole wait, for nothing.
            self._reading = self._session(send_again=False)
        return await self._send(self._reading, request)

    async def write(self, request: Request) -> Answer:
        """Send a request on the connections of registrations and heartbeats. Raises RegistryUnavailable."""
        if self._writing is None:
            self._writing = self._session(send_again=True)
        return await self._send(self._writing, request)

    async def repeat(self, request: Request) -> Answer:
        """As `write`, for a PUT that is sent all the time and does no harm when it is sent twice. An answer with status
        200 comes without its headers and body."""
        if self._config.tls is None and await self._accepted(request):
            return Answer(200, {}, b"", str(self))
        return await self.write(request)

    async def _accepted(self, request: Request) -> bool:
        headers = {"Host": self._base.removeprefix("http://"), **self._headers(self._token.current())}
        try:
            async with asyncio.timeout(request.seconds):
                return await self._lanes.put(request.path, headers, request.body or b"")
        except TimeoutError as error:
            raise self._unavailable(error, request) from error

    async def close(self) -> None:
        """Close every connection. It may be used again afterwards."""
        self._lanes.close()
        sessions = (self._reading, self._writing)
        self._reading = self._writing = None
        for session in sessions:
            if session is not None:
                await session.close()

    def _session(self, *, send_again: bool) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=self._connector(),
            cookie_jar=aiohttp.DummyCookieJar(),
            read_bufsize=_CHUNK,
        )
        session._retry_connection = send_again  # it has no public name; a test says that it works
        return session

    def _connector(self) -> aiohttp.BaseConnector:
        if self._address.socket:
            return aiohttp.UnixConnector(self._address.socket, limit=0, keepalive_timeout=_KEEPALIVE_SECONDS)
        return aiohttp.TCPConnector(limit=0, keepalive_timeout=_KEEPALIVE_SECONDS)

    async def _send(self, session: aiohttp.ClientSession, request: Request) -> Answer:
        token = self._token.current()
        try:
            async with session.request(
                request.method,
                URL(f"{self._base}{request.path}?{request.query}", encoded=True),
                data=request.body,
                headers=self._headers(token) | dict(request.headers),
                timeout=aiohttp.ClientTimeout(total=request.seconds, sock_connect=CONNECT_SECONDS),
                ssl=self._ssl,
                server_hostname=self._server_name,
                allow_redirects=False,
            ) as response:
                body = await _whole(response)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unavailable(error, request) from error
        return Answer(response.status, response.headers, _without(token, response.status, body), str(self))

    def _headers(self, token: str) -> dict[str, str]:
        """Compression costs an agent on this machine and its client more time than the bytes do."""
        headers = {"Accept-Encoding": "identity" if self._address.local else "gzip"}
        if token:
            headers["X-Consul-Token"] = token
        if self._config.namespace:
            headers["X-Consul-Namespace"] = self._config.namespace
        if self._config.auth:
            headers["Authorization"] = "Basic " + b64encode(self._config.auth.encode()).decode()
        return headers

    @cached_property
    def _base(self) -> str:
        host = "localhost:8500" if self._address.socket else str(self._address)
        return f"{'https' if self._config.tls else 'http'}://{host}"

    @cached_property
    def _ssl(self) -> ssl.SSLContext | bool:
        return True if self._config.tls is None else _context(self._config.tls)

    @cached_property
    def _server_name(self) -> str | None:
        return (self._config.tls.server_name or None) if self._config.tls else None

    def _unavailable(self, error: Exception, request: Request) -> RegistryUnavailable:
        text = f"Consul at {self}: {_cause(error, request, self._address)}"
        connecting = isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        return Unreachable(text) if connecting else RegistryUnavailable(text)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    """The unpacked body. Raises aiohttp.ClientPayloadError for one that breaks off or is over the limit."""
    chunks: list[bytes] = []
    size = 0
    async for chunk in response.content.iter_chunked(_CHUNK):
        size += len(chunk)
        if size > LARGEST_ANSWER:
            raise aiohttp.ClientPayloadError(f"it is larger than {LARGEST_ANSWER} bytes")
        chunks.append(chunk)
    # 150 MB take 50 ms to copy, and the loop has calls to serve.
    return await asyncio.to_thread(b"".join, chunks) if size >= _LARGE else b"".join(chunks)


def _without(token: str, status: int, body: bytes) -> bytes:
    """The text of a refusal ends up in logs: a server that repeats the token there must not put it into them."""
    return body.replace(token.encode(), b"...") if token and status != 200 else body


def _cause(error: Exception, request: Request, address: Address) -> str:
    """What went wrong, and what to do about it where that can be told."""
    match error:
        case aiohttp.ConnectionTimeoutError():
            return f"no connection within {CONNECT_SECONDS:.0f} s"
        case aiohttp.ClientConnectorCertificateError():
            return f"its certificate is not trusted: {error.certificate_error}: set CONSUL_CACERT or ca_file"
        case aiohttp.ClientSSLError():
            return f"TLS failed: {error.os_error}: does that port speak TLS?"
        case aiohttp.ClientConnectorDNSError():
            return f"host name {address.host!r} cannot be resolved: {error.os_error.strerror}"
        case aiohttp.ClientConnectorError():
            return _not_connected(error.os_error, address)
        case TimeoutError():
            return f"no answer within {round(request.seconds, 1):g} s"
        case aiohttp.ServerDisconnectedError():
            return "it closed the connection without an answer (Consul 1.8 refuses so who has 200 connections open)"
        case aiohttp.ClientPayloadError():
            return f"its answer cannot be used: it broke off or does not unpack ({error})"
        case aiohttp.ClientResponseError():
            return f"that is no HTTP answer ({error.message}): is that a Consul agent?"
        case OSError():
            return f"the connection broke: {error.strerror or error}"
        case _:
            return str(error) or type(error).__name__


def _not_connected(error: OSError, address: Address) -> str:
    """asyncio puts its own words in place of the system's and, for a host of several addresses, drops the number."""
    refused = error.errno in (errno.ECONNREFUSED, errno.ENOENT) or "refused" in str(error).lower()
    reason = os.strerror(error.errno).lower() if error.errno else str(error)
    return f"{reason}: is an agent running there?{_how_to_start(address)}" if refused else reason


def _how_to_start(address: Address) -> str:
    """The command that puts an agent there. On another machine, or behind a Unix socket, ours cannot be that."""
    if address.socket or not address.local:
        return ""
    return " try: muster agent" if address.port == PORT else f" try: muster agent --http {address}"


def _context(tls: TLS) -> ssl.SSLContext:
    """Reads the files, once. Raises BadConfiguration, which names the file that cannot be used."""
    context = ssl.create_default_context()
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    try:
        if tls.ca_file or tls.ca_path:
            context.load_verify_locations(tls.ca_file or None, tls.ca_path or None)
    except OSError as error:
        raise BadConfiguration(f"certificates in {tls.ca_file or tls.ca_path}: {_reason(error)}") from None
    try:
        if tls.cert_file:
            context.load_cert_chain(tls.cert_file, tls.key_file)
    except OSError as error:
        raise BadConfiguration(
            f"client certificate {tls.cert_file} with key {tls.key_file}: {_reason(error)}"
        ) from None
    return context


def _reason(error: OSError) -> str:
    return error.strerror or str(error)
