"""Requests that need nothing of aiohttp's session. Most are such.

The session sees to redirects, cookies, proxies, passwords in URLs, tracing, timers and thirty options, also for
requests that have none of them: 13 µs of about 100. What is sent from here is made, sent and read by the same parts of
aiohttp, and given to the session where it turns out to need it, or where somebody observes the session.
"""

from __future__ import annotations

import asyncio
from types import FunctionType
from typing import Any

import aiohttp
import aiohttp.client
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from muster.http.client.attempt import Send
from muster.http.client.call import Call
from muster.http.client.routing import Routed

OPTIONS = frozenset({"params", "headers", "json", "server_hostname"})
"""What a request may have that is sent from here."""

AIOHTTP = vars(aiohttp.client)
"""Where the functions of aiohttp's own session are defined."""

SCHEMES = frozenset({"http", "https"})

REDIRECTS = frozenset({301, 302, 303, 307, 308})
"""The answers that a session follows."""


class Direct:
    """Sends what has no options but OPTIONS just as `session` does, which it must not outlive."""

    def __init__(self, session: aiohttp.ClientSession) -> None:
        assert session.connector is not None, "it is open"
        self._session = session
        self._connector = session.connector
        self._timeout = session.timeout
        self._traced = bool(session.trace_configs)

    async def request(self, method: str, url: str | URL, call: Call, options: dict[str, Any]) -> aiohttp.ClientResponse:
        """As the session's own, with `call` for a middleware; raises what that raises."""
        plain = _plain(url) if self._unobserved() and not self._session.closed else None
        if plain is None:
            return await self._session.request(method, url, middlewares=(call,), **options)
        answer = await self._answer(self._made(method, plain, **options), call)
        if answer.status in REDIRECTS:
            redirected = _Redirected(answer, call)
            return await self._session.request(method, url, middlewares=(redirected,), **options)
        return answer

    def _unobserved(self) -> bool:
        """Whether nobody traces the session, or has put something in the place of its way to send: instrumentation
        (OpenTelemetry and Sentry do the one, Datadog and Elastic the other) and mocks in tests."""
        send = aiohttp.ClientSession._request
        return not self._traced and type(send) is FunctionType and send.__globals__ is AIOHTTP

    def _made(
        self,
        method: str,
        url: URL,
        params: Any = None,
        headers: Any = None,
        json: Any = None,
        server_hostname: str | None = None,
    ) -> Routed:
        return Routed(
            method,
            url,
            params=params,
            headers=CIMultiDict(headers) if headers else None,
            data=None if json is None else aiohttp.JsonPayload(json),
            server_hostname=server_hostname,
            loop=asyncio.get_running_loop(),
            session=self._session,
        )

    async def _answer(self, request: Routed, call: Call) -> aiohttp.ClientResponse:
        try:
            return await call(request, self._exchange)
        except (aiohttp.ClientError, TimeoutError):
            raise
        except OSError as error:
            raise aiohttp.ClientOSError(*error.args) from error

    async def _exchange(self, request: aiohttp.ClientRequest) -> aiohttp.ClientResponse:
        """Send `request` to its link, once. Returns when the head of the answer is there."""
        try:
            connection = await self._connector.connect(request, [], self._timeout)
        except TimeoutError as error:
            # aiohttp's text has the whole URL, which may hold secrets.
            raise aiohttp.ConnectionTimeoutError(str(error)) from error
        response: aiohttp.ClientResponse | None = None
        try:
            assert connection.protocol is not None, "nobody else has it"
            connection.protocol.set_response_params(skip_payload=request.method == hdrs.METH_HEAD, read_until_eof=True)
            response = await request.send(connection)
            return await response.start(connection)
        except BaseException:
            if response is not None:
                response.close()
            connection.close()
            raise


class _Redirected:
    """The middleware for a request that has been answered by a redirect: gives the session that answer, to follow it,
    and has `call` see to what it asks for next."""

    def __init__(self, answer: aiohttp.ClientResponse, call: Call) -> None:
        self._answer: aiohttp.ClientResponse | None = answer
        self._call = call

    async def __call__(self, request: aiohttp.ClientRequest, send: Send) -> aiohttp.ClientResponse:
        answer, self._answer = self._answer, None
        return await self._call(request, send) if answer is None else answer


def _plain(url: str | URL) -> URL | None:
    """`url`, if there is nothing in it for the session to see to: no user and password, and no reason to refuse it."""
    try:
        parsed = URL(url)
    except ValueError:
        return None
    plain = parsed.scheme in SCHEMES and parsed.raw_host and parsed.raw_user is None and parsed.raw_password is None
    return parsed if plain else None
