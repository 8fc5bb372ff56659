"""One request of a caller: a middleware of aiohttp's session, which is asked anew for each hop of a redirect."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

import aiohttp

from muster.balance.nodes import Node
from muster.call.attempt import Attempts, attempt_timeout
from muster.call.deadline import deadline_of, remaining
from muster.http.client.attempt import Answer, Attempt, Send, whole
from muster.http.client.errors import in_terms_of_aiohttp
from muster.http.client.link import Link
from muster.http.client.methods import is_idempotent
from muster.http.client.onward import TIMEOUT, written
from muster.http.client.retrying import Calling, Retrying
from muster.http.client.routing import Routed
from muster.http.client.services import Service
from muster.model.errors import MusterError


@dataclass(frozen=True, slots=True)
class Terms:
    """What a caller asks for, which many requests have in common.

    `own`: seconds for the head of the answer, as far as the caller says; None for no end. `silence`: seconds that may
    pass within the body. `onward`: the deadline is for the body too, so that the instance is told. `idempotent`: the
    caller declares it so. `name`: the service as a URL spells it that has upper case in it; empty for any other.
    `once`: it is tried once.
    """

    own: float | None
    silence: float | None
    onward: bool = False
    idempotent: bool = False
    name: str = ""
    once: bool = False


class Call:
    """One request. `deadline`: until when the head of its answer must be there, as `call.deadline.deadline_of` gives
    it. `node`: where the present attempt is, or the first will be if that is decided; None while there is none."""

    __slots__ = ("_calling", "_deadline", "_terms", "node")

    def __init__(self, calling: Calling, terms: Terms, deadline: float | None, node: Node[Link] | None = None) -> None:
        self._calling = calling
        self._terms = terms
        self._deadline = deadline
        self.node = node

    async def __call__(self, request: aiohttp.ClientRequest, send: Send) -> aiohttp.ClientResponse:
        """Send `request` to an instance of the service that its URL names, and to others where that is allowed.

        Raises NobodyToCall, NothingKnown, TooMany and InvalidURL; ServerTimeoutError past the deadline; else what
        `send` raised for the last attempt. An answer that is not worth another attempt is the caller's, whatever its
        status.
        """
        assert isinstance(request, Routed), "this is a middleware of muster's own session"
        calling, terms, when = self._calling, self._terms, self._deadline
        service = calling.services.of(request.url, time.monotonic(), terms.name)
        key = service.key_in(request) if service.key else None
        idempotent = terms.idempotent or is_idempotent(request)
        try:
            node = self.node or service.entrance.choose((), key)
        except MusterError:
            node = await self._wait(request, service, key)
        if terms.onward or calling.limited:
            when = self._until(request, service, Attempts(idempotent))
        retrying: Retrying | None = None
        while True:
            self.node = node
            attempt = Attempt(service, node, request, calling.alarms, when)
            answer: Answer
            try:
                answer = response = await send(request)
                if idempotent and response.connection is not None:
                    await whole(response)
            except BaseException as error:
                state = retrying.state if retrying else Attempts(idempotent)
                answer = attempt.failed(error, self._limit(service, state, terms.own))
            else:
                if attempt.answered(response, terms.silence):
                    self.node = None
                    return response
            self.node = None
            retrying = retrying or Retrying(calling, service, request, key, self._nothing_sent(idempotent))
            other = await retrying.next(attempt, answer)
            if other is None:
                return given(answer, attempt.node)
            node, when = other, self._until(request, service, retrying.state)

    def _nothing_sent(self, idempotent: bool) -> Attempts:
        return Attempts(idempotent, self._deadline, repeatable=not self._terms.once)

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
        now = time.monotonic()
        left = remaining(self._deadline, now)
        if left == 0:
            raise aiohttp.ServerTimeoutError(f"{service.name}: no time was left to send the request")
        left = self._limit(service, state, left)
        if self._terms.onward and left is not None:
            request.headers[TIMEOUT] = written(left)
        return deadline_of(left, now)

    def _limit(self, service: Service, state: Attempts, left: float | None) -> float | None:
        """Seconds for the next attempt of a request that has `left`."""
        calling = self._calling
        if calling.limited and calling.retries(service.name):
            return attempt_timeout(state, calling.retrier.policy, left)
        return left


def given(answer: Answer, node: Node[Link]) -> aiohttp.ClientResponse:
    """What the last attempt gave, for the caller. Its error knows no more than the service's name by itself."""
    if isinstance(answer, aiohttp.ClientResponse):
        return answer
    where = f"{node.instance.id} at {node.instance.address}"
    if isinstance(answer, TimeoutError) and not isinstance(answer, aiohttp.ClientError):
        raise aiohttp.ServerTimeoutError(f"{node.instance.service}: no answer in time from {where}") from answer
    answer.add_note(f"the instance was {where}")
    raise answer
