"""Calls of a class's operations by HTTP/1.1, as bytes of JSON, over the session of a client."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing
from io import BytesIO
from typing import TYPE_CHECKING, Any, NoReturn

import aiohttp

from muster.http.client.session import Session
from muster.http.typed.events import CONTENT_TYPE, read
from muster.http.typed.problem import CONTENT_TYPE as PROBLEM
from muster.http.typed.problem import fault_of
from muster.http.typed.request import JSON, LINES
from muster.model.errors import Fault, MusterError, Rejected
from muster.rpc.contract import Operation
from muster.rpc.description import HTTP_PATH

if TYPE_CHECKING:
    from muster.http.client.session import Answer

_AT_ONCE = 64 * 1024
"""Bytes of a request that are written in one piece."""

_FAILURES = (aiohttp.ClientError, TimeoutError)

_AUTOMATIC = ("Accept", "Accept-Encoding", "User-Agent")
"""Headers that aiohttp would add. A body that is not compressed can be waited for while another instance may still take
the call over."""


class HTTPWay:
    """How the service `name` is called by HTTP. For one event loop.

    `default`: seconds for a call that gives one reply; `timeout`: for every call, or None. Streams have no end without.
    """

    def __init__(
        self,
        origin: str,
        session: Session,
        default: float | None,
        timeout: float | None,
        headers: Mapping[str, str],
    ) -> None:
        self._origin = origin
        self._session = session
        self._default = None if default is None or math.isinf(default) else default
        self._timeout = timeout
        self._headers = {
            False: {**headers, "Content-Type": JSON},
            True: {**headers, "Content-Type": LINES},
        }

    async def once(self, operation: Operation, sent: bytes | AsyncIterable[bytes]) -> bytes:
        """The reply. Raises Fault, NoInstances, RegistryUnavailable and Overloaded."""
        timeout = self._default if self._timeout is None else self._timeout
        try:
            async with self._post(operation, sent, {"timeout": timeout}) as answer:
                return await _body(answer)
        except _FAILURES as error:
            _translate(error, operation.short)

    async def many(self, operation: Operation, sent: bytes | AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
        """The replies. Raises as `once`. Leaving it ends the call."""
        options = {} if self._timeout is None else {"timeout": self._timeout}
        try:
            async with self._post(operation, sent, options) as answer, aclosing(_events(answer)) as events:
                async for reply in events:
                    yield reply
        except _FAILURES as error:
            _translate(error, operation.short)

    async def describe(self) -> bytes:
        """The document of the service's handlers. Raises as `once`."""
        try:
            async with self._session.get(self._origin + HTTP_PATH, allow_redirects=False) as answer:
                return await _body(answer)
        except _FAILURES as error:
            _translate(error, HTTP_PATH)

    def _post(self, operation: Operation, sent: bytes | AsyncIterable[bytes], options: dict[str, Any]) -> Answer:
        return self._session.post(
            self._origin + operation.route,
            data=_data(sent),
            headers=self._headers[operation.takes_stream],
            idempotent=operation.idempotent,
            skip_auto_headers=_AUTOMATIC,
            allow_redirects=False,
            **options,
        )


async def _body(answer: aiohttp.ClientResponse) -> bytes:
    """The body of an answer that is one. Raises Fault for any other."""
    body = await answer.read()
    if not 200 <= answer.status < 300:
        raise fault_of(answer.status, answer.headers.get("Content-Type", ""), body)
    return body


async def _events(answer: aiohttp.ClientResponse) -> AsyncGenerator[bytes, None]:
    """The replies in an answer that is a stream of them. Raises Fault for any other, and where it ends before its
    end."""
    if answer.content_type != CONTENT_TYPE:
        await _body(answer)
        raise Fault("INTERNAL", f"expected a stream of events, found {answer.content_type}")
    async for event in read(answer.content.iter_any()):
        if event.kind == "message":
            yield event.data
        elif event.kind == "error":
            raise fault_of(500, PROBLEM, event.data)
        elif event.kind == "end":
            return
    raise Fault("UNAVAILABLE", "the stream of replies was cut off")


def _translate(error: Exception, what: str) -> NoReturn:
    """Raises what an error of aiohttp's is to who knows muster's alone. Some are both."""
    if isinstance(error, MusterError):
        raise error
    if isinstance(error, TimeoutError):
        raise Fault("DEADLINE_EXCEEDED", str(error) or f"{what} was not answered in time") from error
    if isinstance(error, aiohttp.InvalidURL):
        raise Rejected(f"it cannot be called by HTTP: {error}") from error
    raise Fault("UNAVAILABLE", str(error) or type(error).__name__) from error


def _data(sent: bytes | AsyncIterable[bytes]) -> bytes | BytesIO | AsyncIterator[bytes]:
    if not isinstance(sent, bytes):
        return _lines(sent)
    # aiohttp warns of larger ones, since it would write them at once.
    return sent if len(sent) <= _AT_ONCE else BytesIO(sent)


async def _lines(messages: AsyncIterable[bytes]) -> AsyncIterator[bytes]:
    async for message in messages:
        yield message + b"\n"
        await asyncio.sleep(0)  # one that never waits would keep the loop from hearing the answer
