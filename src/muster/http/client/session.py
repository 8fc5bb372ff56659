"""aiohttp's session interface, with the name of a service where a host would be."""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import aiohttp
from aiohttp.client import _BaseRequestContextManager
from yarl import URL

from muster.balance.selector import Selector, several, wanted
from muster.call.deadline import deadline_of
from muster.http.client.attempt import Send
from muster.http.client.call import Call, Terms
from muster.http.client.dialing import Dialing
from muster.http.client.direct import OPTIONS, Direct
from muster.http.client.hedged import HedgedCall
from muster.http.client.naming import spelled
from muster.http.client.retrying import Calling
from muster.http.client.routing import Routed, Router
from muster.rpc.current import serving, within

if TYPE_CHECKING:
    Answer = _BaseRequestContextManager[aiohttp.ClientResponse]
    Socket = _BaseRequestContextManager[aiohttp.ClientWebSocketResponse[bool]]


class Session:
    """What `aiohttp.ClientSession` is, for services: `http://NAME/path` goes to one of the instances of NAME.

        async with client.http.get("http://greeter/say/hello", params={"name": "x"}) as answer:
            reply = await answer.json()

    Parameters and answers are aiohttp's own (https://docs.aiohttp.org/en/stable/client_reference.html), but for these:

    - `timeout`: without it, the head of the answer must be there within the client's timeout, over all attempts, and
      the body has no end but a silence. With it, aiohttp's rules hold, over all attempts;
    - `idempotent=True` declares that a request may be processed twice; so does a header `Idempotency-Key`;
    - redirects are followed by name, like any request; one to an address raises aiohttp.InvalidURL;
    - cookies are not kept, since a client is shared by everything that a program does;
    - there is no proxy between a client and the instances that it calls: ValueError.

    Nobody to call raises an error that is both NoInstances and aiohttp.ClientConnectorError. Made by a client, and
    closed with it.
    """

    def __init__(self, calling: Calling, timeout: float | None, dialing: Dialing) -> None:
        self._calling = calling
        self._timeout = None if timeout is None or math.isinf(timeout) else timeout
        self._deposit = calling.retrier.budget.deposit
        self._kind = Call if calling.retrier.policy.hedging is None else HedgedCall
        self._server_name = dialing.server_name
        self._dialing = dialing
        self._terms = Terms(self._timeout, dialing.silence)
        self._narrowed: dict[tuple[tuple[str, ...], Selector], Session] = {}
        self._session = aiohttp.ClientSession(
            connector=Router(),
            request_class=Routed,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=dialing.connect),
            middlewares=(self._handshake,),
        )
        # aiohttp would send PUT and DELETE a second time by itself, and GET as often again as we did.
        self._session._retry_connection = False
        self._direct = Direct(self._session)

    @property
    def closed(self) -> bool:
        return self._session.closed

    async def close(self) -> None:
        """Refuse further requests, and cut those under way; also of the sessions that `where` gave."""
        for narrowed in self._narrowed.values():
            await narrowed.close()
        await self._session.close()
        await self._calling.services.close()

    def where(
        self,
        *,
        dc: Iterable[str] = (),
        tags: Iterable[str] = (),
        version: str = "",
        metadata: Mapping[str, str] | None = None,
        zone: str = "",
    ) -> Session:
        """A session that calls only some of the instances, as `Client.channel` has it for gRPC: found in these
        datacenters, with all these tags, of a version such as "1.2.0", "1.x" or ">=1.2,<2", with all these pairs of
        metadata, in that zone.

        The same one for the same arguments; leave it open. Raises BadConfiguration for a version that means nothing.
        """
        wants = several("dc", dc), wanted(tags, version, metadata, zone)
        if wants not in self._narrowed:
            calling = replace(self._calling, services=self._calling.services.narrowed(*wants))
            self._narrowed[wants] = Session(calling, self._timeout, self._dialing)
        return self._narrowed[wants]

    def request(self, method: str, url: str | URL, *, idempotent: bool = False, **options: Any) -> Answer:
        """Send a request; awaited, or entered with `async with`, it gives an aiohttp.ClientResponse."""
        return self._send(method, url, idempotent, options)

    def get(self, url: str | URL, **options: Any) -> Answer:
        return self._send("GET", url, False, options)

    def head(self, url: str | URL, **options: Any) -> Answer:
        """Follows no redirects unless asked to, as in aiohttp."""
        return self._send("HEAD", url, False, {"allow_redirects": False, **options})

    def options(self, url: str | URL, **options: Any) -> Answer:
        return self._send("OPTIONS", url, False, options)

    def post(self, url: str | URL, *, idempotent: bool = False, **options: Any) -> Answer:
        return self._send("POST", url, idempotent, options)

    def put(self, url: str | URL, *, idempotent: bool = False, **options: Any) -> Answer:
        return self._send("PUT", url, idempotent, options)

    def patch(self, url: str | URL, *, idempotent: bool = False, **options: Any) -> Answer:
        return self._send("PATCH", url, idempotent, options)

    def delete(self, url: str | URL, *, idempotent: bool = False, **options: Any) -> Answer:
        return self._send("DELETE", url, idempotent, options)

    def ws_connect(self, url: str | URL, **options: Any) -> Socket:
        """Open a websocket (`http://`, `ws://` and their secure forms). It stays with the instance that took it."""
        self._check(options)
        return self._session.ws_connect(url, **options)

    def _send(self, method: str, url: str | URL, idempotent: bool, options: dict[str, Any]) -> Answer:
        now = time.monotonic()
        self._deposit(now)
        name = "" if isinstance(url, URL) or url == url.lower() else spelled(url)
        if options or idempotent or name or self._server_name is not None or serving.get() is not None:
            self._check(options)
            call = self._particular(now, options, idempotent, name)
        else:
            call = self._kind(self._calling, self._terms, None if self._timeout is None else now + self._timeout)
        if OPTIONS.issuperset(options):
            return _BaseRequestContextManager(self._direct.request(method, url, call, options))
        middlewares = (*options.pop("middlewares", ()), call)
        return self._session.request(method, url, middlewares=middlewares, **options)

    async def _handshake(self, request: aiohttp.ClientRequest, send: Send) -> aiohttp.ClientResponse:
        """The middleware for what aiohttp sends by itself, to open a websocket. Nobody is told of a time limit: it is
        one for the handshake alone."""
        now = time.monotonic()
        self._deposit(now)
        call = Call(self._calling, Terms(self._timeout, None), deadline_of(within(self._timeout), now))
        return await call(request, send)

    def _particular(self, now: float, options: dict[str, Any], idempotent: bool, name: str) -> Call:
        """What drives the attempts, within the time that `options` and the call that is being served leave."""
        left = within(None)
        timeout, silence, own = self._session.timeout, self._terms.silence, self._timeout
        if "timeout" in options:
            timeout, silence = self._given(options["timeout"])
            own = timeout.total or None
        head = own
        if left is not None:
            timeout, head = _shortened(timeout, left), within(own)
        if timeout is not self._session.timeout:
            options["timeout"] = timeout
        terms = Terms(own, silence, bool(timeout.total), idempotent, name)
        return self._kind(self._calling, terms, deadline_of(head, now))

    def _given(self, timeout: float | aiohttp.ClientTimeout | None) -> tuple[aiohttp.ClientTimeout, float | None]:
        """What a request asks for, and the limit on silence. A number says nothing of connecting and of silence."""
        if isinstance(timeout, aiohttp.ClientTimeout):
            return timeout, None
        return aiohttp.ClientTimeout(total=timeout, sock_connect=self._dialing.connect), self._terms.silence

    def _check(self, options: dict[str, Any]) -> None:
        if "proxy" in options and options["proxy"] is not None:
            raise ValueError("instances are called directly: proxy= cannot be used")
        if self._server_name is not None:
            options.setdefault("server_hostname", self._server_name)


def _shortened(timeout: aiohttp.ClientTimeout, left: float) -> aiohttp.ClientTimeout:
    """The same limits, and all is over after `left` seconds. To aiohttp 0 is no limit."""
    return aiohttp.ClientTimeout(
        total=max(0.001, min(timeout.total or left, left)),
        connect=timeout.connect,
        sock_read=timeout.sock_read,
        sock_connect=timeout.sock_connect,
        ceil_threshold=timeout.ceil_threshold,
    )
