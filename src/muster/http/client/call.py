"""One request of a caller: a middleware of aiohttp's session, which is asked anew for each hop of a redirect."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from muster.balance.nodes import Node
from muster.call.attempt import Attempts, attempt_timeout
from muster.call.deadline import deadline_of, remaining
from muster.http.client.alarm import Alarm
from muster.http.client.attempt import Attempt, Send, whole
from muster.http.client.errors import in_terms_of_aiohttp
from muster.http.client.link import Link
from muster.http.client.methods import declares_itself
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
        self,
        calling: Calling,
        deadline: float | None,
        *,
        onward: bool = False,
        silence: float | None = None,
        idempotent: bool = False,
    ) -> None:
        self._calling = calling
        self._deadline = deadline
        self._onward = onward
        self._silence = silence
        self._idempotent = idempotent

    async def __call__(self, request: aiohttp.ClientRequest, send: Send) -> aiohttp.ClientResponse:
        """Send `request` to an instance of the service that its URL names, and to others where that is allowed.

        Raises NobodyToCall, NothingKnown and InvalidURL; ServerTimeoutError past the deadline; else what `send` raised
        for the last attempt. An answer that is not worth another attempt is the caller's, whatever its status.
        """
        service = self._calling.services.of(request.url, time.monotonic())
        idempotent = self._idempotent or declares_itself(request)
        retrying: Retrying | None = None
        try:
            node = service.pool.choose()
        except MusterError:
            node = await self._wait(service, request)
        while True:
            limit = self._limit(request, retrying.state if retrying else None, service, idempotent)
            with Attempt(node, self._silence) as attempt, limit:
                attempt.answer = await send(request)
                if idempotent:
                    await whole(attempt.answer)
            answer = attempt.answer
            if attempt.outcome.ok and isinstance(answer, aiohttp.ClientResponse):
                return answer
            retrying = retrying or Retrying(self._calling, service, request, Attempts(idempotent, self._deadline))
            other = await retrying.next(attempt)
            if other is None:
                return _given(attempt)
            node = other

    def _limit(
        self, request: aiohttp.ClientRequest, state: Attempts | None, service: Service, idempotent: bool
    ) -> Alarm:
        """The limit of the next attempt; `state` is None before the first has ended."""
        calling, when = self._calling, self._deadline
        if calling.retrier.policy.attempt_timeout is not None and calling.retries(service.name):
            now = time.monotonic()
            left = remaining(when, now)
            when = deadline_of(attempt_timeout(state or Attempts(idempotent), calling.retrier.policy, left), now)
        if self._onward and when is not None:
            request.headers[TIMEOUT] = written(when - time.monotonic())
        return Alarm(calling.alarms, when)

    async def _wait(self, service: Service, request: aiohttp.ClientRequest) -> Node[Link]:
        """The node for the first attempt, once an answer of the registry or the verdict of a connection is there."""
        try:
            async with asyncio.timeout(remaining(self._deadline, time.monotonic())):
                return await service.pool.wait()
        except TimeoutError:
            raise aiohttp.ServerTimeoutError(f"while waiting: {service.pool.why()}") from None
        except MusterError as error:
            raise in_terms_of_aiohttp(error, request.connection_key) from error


def _given(attempt: Attempt) -> aiohttp.ClientResponse:
    """What the last attempt gave, for the caller. Its error knows no more than the service's name by itself."""
    answer, instance = attempt.answer, attempt.node.instance
    if isinstance(answer, aiohttp.ClientResponse):
        return answer
    where = f"{instance.id} at {instance.address}"
    if isinstance(answer, TimeoutError) and not isinstance(answer, aiohttp.ClientError):
        raise aiohttp.ServerTimeoutError(f"{instance.service}: no answer in time from {where}") from answer
    answer.add_note(f"the instance was {where}")
    raise answer
