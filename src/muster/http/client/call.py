"""One request of a caller: a middleware of aiohttp's session, which is asked anew for each hop of a redirect."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from muster.balance.nodes import Node
from muster.call.attempt import Attempts, attempt_timeout
from muster.call.deadline import deadline_of, remaining
from muster.http.client.attempt import Attempt, Send, whole
from muster.http.client.errors import in_terms_of_aiohttp
from muster.http.client.link import Link
from muster.http.client.methods import IDEMPOTENCY_KEY, SAFE
from muster.http.client.onward import TIMEOUT, written
from muster.http.client.retrying import Calling, Retrying
from muster.http.client.services import Service
from muster.model.errors import MusterError


class Call:
    """One request of a caller. `deadline`: until when the head of its answer must be there, as
    `call.deadline.deadline_of` gives it; `onward`: its body too, so that the instance is told. `silence`: seconds that
    may pass within the body. `idempotent`: the caller declares it so."""

    __slots__ = ("_calling", "_deadline", "_idempotent", "_onward", "_silence")

    def __init__(
        self, calling: Calling, deadline: float | None, silence: float | None, onward: bool, idempotent: bool
    ) -> None:
        self._calling = calling
        self._deadline = deadline
        self._silence = silence
        self._onward = onward
        self._idempotent = idempotent

    async def __call__(self, request: aiohttp.ClientRequest, send: Send) -> aiohttp.ClientResponse:
        """Send `request` to an instance of the service that its URL names, and to others where that is allowed.

        Raises NobodyToCall, NothingKnown, TooMany and InvalidURL; ServerTimeoutError past the deadline; else what
        `send` raised for the last attempt. An answer that is not worth another attempt is the caller's, whatever its
        status.
        """
        calling = self._calling
        service = calling.services.of(request.url, time.monotonic())
        key = request.headers.get(service.key) if service.key else None
        idempotent = self._idempotent or request.method in SAFE or IDEMPOTENCY_KEY in request.headers
        try:
            node = service.entrance.choose((), key)
        except MusterError:
            node = await self._wait(request, service, key)
        when = self._deadline
        if self._onward or calling.limited:
            when = self._until(request, service, Attempts(idempotent))
        retrying: Retrying | None = None
        while True:
            attempt = Attempt(service, node, calling.alarms, when)
            answer: aiohttp.ClientResponse | Exception
            try:
                answer = response = await send(request)
                if idempotent and response.connection is not None:
                    await whole(response)
            except BaseException as error:
                answer = attempt.failed(error)
            else:
                if attempt.answered(response, self._silence):
                    return response
            retrying = retrying or Retrying(calling, service, request, key, Attempts(idempotent, self._deadline))
            other = await retrying.next(attempt, answer)
            if other is None:
                return _given(answer, node)
            node, when = other, self._until(request, service, retrying.state)

    async def _wait(self, request: aiohttp.ClientRequest, service: Service, key: str | None) -> Node[Link]:
        """The node for the first attempt, once an answer of the registry or the verdict of a connection is there."""
        try:
            async with asyncio.timeout(remaining(self._deadline, time.monotonic())):
                return await service.entrance.wait(key=key)
        except TimeoutError:
            raise aiohttp.ServerTimeoutError(f"while waiting: {service.pool.why()}") from None
        except MusterError as error:
            raise in_terms_of_aiohttp(error, request.connection_key) from error

    def _until(self, request: aiohttp.ClientRequest, service: Service, state: Attempts) -> float | None:
        """Until when the head of the next attempt's answer must be there, of which the instance is told."""
        calling, now = self._calling, time.monotonic()
        left = remaining(self._deadline, now)
        if left == 0:
            raise aiohttp.ServerTimeoutError(f"{service.name}: no time was left to send the request")
        if calling.limited and calling.retries(service.name):
            left = attempt_timeout(state, calling.retrier.policy, left)
        if self._onward and left is not None:
            request.headers[TIMEOUT] = written(left)
        return deadline_of(left, now)


def _given(answer: aiohttp.ClientResponse | Exception, node: Node[Link]) -> aiohttp.ClientResponse:
    """What the last attempt gave, for the caller. Its error knows no more than the service's name by itself."""
    if isinstance(answer, aiohttp.ClientResponse):
        return answer
    where = f"{node.instance.id} at {node.instance.address}"
    if isinstance(answer, TimeoutError) and not isinstance(answer, aiohttp.ClientError):
        raise aiohttp.ServerTimeoutError(f"{node.instance.service}: no answer in time from {where}") from answer
    answer.add_note(f"the instance was {where}")
    raise answer
