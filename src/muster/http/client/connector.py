"""Connections to one instance. Those to an instance that can prove who it is are verified before their first request.

A connection leads to the same process for as long as it lasts, so once is enough; and since no connection carries a
request before it is verified, a stranger that has taken a dead instance's port gets none.
"""

from __future__ import annotations

import asyncio
import select
import socket
from collections.abc import Callable
from functools import partial
from ipaddress import ip_address
from random import uniform
from typing import TYPE_CHECKING

import aiohttp
from aiohttp import hdrs
from aiohttp.abc import AbstractResolver, ResolveResult

from muster.http.client.dialing import Dialing
from muster.http.client.errors import NotTaken, Stranger
from muster.http.client.identity import HEADER, Verdict, health_path, judge, why_not
from muster.http.client.protocol import Protocol
from muster.model.instance import Instance

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

FIRST_ANSWER = 5.0
"""Seconds that an instance has to prove who it is."""

JITTER = 0.2
"""Of an age, either way."""


Broken = Callable[[str], None]
"""`broken(why)`: no connection can be made, so that nobody else has to try. May be called more than once."""


def connector_to(instance: Instance, dialing: Dialing, broken: Broken) -> InstanceConnector:
    """The connector for an instance, which verifies connections where the instance can prove who it is."""
    path = health_path(instance)
    if path is None:
        return InstanceConnector(instance, dialing, broken)
    return VerifyingConnector(instance, dialing, broken, path)


class InstanceConnector(aiohttp.TCPConnector):
    """aiohttp's connection pool for one instance: whatever host a URL names, it connects to this instance.

    `connect` raises ClientConnectorError or TimeoutError where there is no connection, and nothing of a request was
    sent; `broken` is called whenever none can be made.
    """

    def __init__(self, instance: Instance, dialing: Dialing, broken: Broken) -> None:
        super().__init__(
            resolver=_Pinned(instance),
            use_dns_cache=False,
            ssl=dialing.tls or True,
            limit=dialing.connections,
            keepalive_timeout=dialing.keepalive,
        )
        self._factory = partial(_protocol, self._loop, dialing.age)  # type: ignore[assignment]
        self._instance = instance
        self.broken = broken

    async def connect_surely(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """As `connect`, and the connection stands at this very moment: for requests that will not be sent again."""
        while _has_ended(connection := await self.connect(req, traces, timeout)):
            connection.close()
        return connection

    async def _create_connection(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> ResponseHandler:
        """As aiohttp's, whose texts name the URL, which may hold secrets, when time is up."""
        try:
            return await super()._create_connection(req, traces, timeout)
        except aiohttp.ClientSSLError:
            raise  # it is there: another request may bring another context
        except aiohttp.ClientConnectorError as error:
            self.broken(str(error))
            raise
        except TimeoutError as error:
            why = f"{self._instance.address} took no connection in {timeout.sock_connect} s"
            self.broken(why)
            raise NotTaken(why) from error


class VerifyingConnector(InstanceConnector):
    """As InstanceConnector, and every connection has shown that `path` of this instance is at its other end."""

    def __init__(self, instance: Instance, dialing: Dialing, broken: Broken, path: str) -> None:
        super().__init__(instance, dialing, broken)
        self._path = path

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Raises Stranger too, where somebody else answers."""
        closing = False
        while True:
            connection = await super().connect(req, traces, timeout)
            # A server that closes every connection after one answer has just proved itself on the one before.
            protocol = connection.protocol
            assert isinstance(protocol, Protocol), "made by this connector"
            if closing or protocol.verified:
                return connection
            try:
                closing = not await self._verify(connection, protocol, req)
            except Stranger as error:
                self.broken(str(error))
                raise

    async def _verify(self, connection: Connection, protocol: Protocol, req: aiohttp.ClientRequest) -> bool:
        """Ask who answers, and return the connection to the pool; False if it cannot be used again."""
        try:
            async with asyncio.timeout(FIRST_ANSWER):
                verdict = await self._ask(connection, protocol, req)
        except (aiohttp.ClientError, OSError) as error:
            why = str(error) or f"no answer within {FIRST_ANSWER:g} s"
            raise Stranger(req.connection_key, f"{self._instance.address} did not say who it is: {why}") from error
        finally:
            connection.close()  # without effect once the answer has been read
        if verdict is not Verdict.SERVING:
            raise Stranger(req.connection_key, why_not(self._instance, verdict))
        if protocol.should_close or not protocol.is_connected():
            return False
        protocol.verified = True
        return True

    async def _ask(self, connection: Connection, protocol: ResponseHandler, req: aiohttp.ClientRequest) -> Verdict:
        question = aiohttp.ClientRequest(
            hdrs.METH_GET,
            req.url.origin().with_path(self._path),
            headers={hdrs.HOST: req.headers[hdrs.HOST]},
            loop=self._loop,
            session=req.session,
            ssl=req.ssl,
            server_hostname=req.server_hostname,
        )
        protocol.set_response_params()
        answer = await question.send(connection)
        try:
            await answer.start(connection)
            verdict = judge(self._instance, answer.status, answer.headers.get(HEADER))
            if verdict is Verdict.SERVING:
                await answer.read()
            return verdict
        finally:
            answer.close()


def _protocol(loop: asyncio.AbstractEventLoop, age: float | None) -> Protocol:
    """Connections that were made together must not all be made anew together."""
    return Protocol(loop, None if age is None else age * uniform(1 - JITTER, 1 + JITTER))


def _has_ended(connection: Connection) -> bool:
    """Whether the server has closed an idle connection, of which a busy event loop has not heard yet (1.4 µs).

    What is sent on such a connection is lost, and nobody knows whether it was processed. Requests that may be processed
    twice do not pay for the look. Nothing is due on an idle connection, so whatever can be read from it means its end.
    """
    transport = connection.transport
    if transport is None:
        return True
    poll = select.poll()
    poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
    return bool(poll.poll(0))


class _Pinned(AbstractResolver):
    """Finds the instance under any name. Only an instance that is registered by a host's name is looked up."""

    def __init__(self, instance: Instance) -> None:
        self._host, self._port = instance.host, instance.port

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        try:
            version = ip_address(self._host).version
        except ValueError:
            return await _looked_up(self._host, self._port, family)
        return [
            ResolveResult(
                hostname=host,
                host=self._host,
                port=self._port,
                family=socket.AF_INET6 if version == 6 else socket.AF_INET,
                proto=socket.IPPROTO_TCP,
                flags=socket.AI_NUMERICHOST,
            )
        ]

    async def close(self) -> None:
        return None


async def _looked_up(host: str, port: int, family: socket.AddressFamily) -> list[ResolveResult]:
    try:
        return await aiohttp.ThreadedResolver().resolve(host, port, family)
    except UnicodeError as error:  # of the codec for host names, which is no OSError
        raise OSError(f"{host!r} cannot be the name of a host: {error}") from None
