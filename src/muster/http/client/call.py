"""One request of a caller: a middleware of aiohttp's session, which is asked anew for each hop of a redirect."""

from __future__ import annotations

import asyncio
import time

import aiohttp

from muster.balance.nodes import Node
from muster.call.attempt import Attempts
from muster.call.deadline import remaining
from muster.http.client.alarm import Alarm
from muster.http.client.attempt import Attempt, Send, is_short
from muster.http.client.errors import in_terms_of_aiohttp
from muster.http.client.link import Link
from muster.http.client.methods import declares_itself
from muster.http.client.retrying import Calling, Retrying
from muster.http.client.services import Service
from muster.model.errors import MusterError


class Call:
    """One request. `deadline`: until when the head of its answer must be there, as `call.deadline.deadline_of` gives
    it. `silence`: seconds that may pass within its body. `idempotent`: the caller declares it so."""

    __slots__ = ("_calling", "_deadline", "_idempotent", "_silence")

    def __init__(
        self, calling: Calling, deadline: float | None, *, silence: float | None = None, idempotent: bool = False
    ) -> None:
        self._calling = calling
        self._deadline = deadline
        self._silence = silence
        self._idempotent = idempotent

    async def __call__(self, request: aiohttp.ClientRequest, send: Send) -> aiohttp.ClientResponse:
        """Send `request` to an instance of the service that its URL names, and to others where that is allowed.

        Raises NobodyToCall, NothingKnown and InvalidURL; ServerTimeoutError past the deadline; else what `send` raised
        for the last attempt. An answer that is not worth another attempt is the caller's, whatever its status.
        """
        service = self._calling.services.of(request.url, time.monotonic())
        idempotent = self._idempotent or declares_itself(request)
        limit = Alarm(self._calling.alarms, self._deadline)
        retrying: Retrying | None = None
        try:
            node = service.pool.choose()
        except MusterError:
            node = await self._wait(service, request)
        while True:
            attempt = Attempt(node)
            answer: aiohttp.ClientResponse | Exception
            try:
                with limit:
                    answer = await send(request)
                    # An instance that dies between head and body can still be replaced by another, if the caller has
                    # seen nothing yet.
                    if idempotent and is_short(answer):
                        await answer.content.wait_eof()
            except Exception as error:
                outcome, answer = attempt.failed(error), error
            except BaseException as error:
                attempt.failed(error)
                raise
            else:
                outcome = attempt.answered(answer, self._silence)
                if outcome.ok:
                    return answer
            retrying = retrying or Retrying(self._calling, service, request, Attempts(idempotent, self._deadline))
            other = await retrying.next(node, outcome, answer)
            if other is None:
                return _given(answer, node)
            node = other

    async def _wait(self, service: Service, request: aiohttp.ClientRequest) -> Node[Link]:
        """The node for the first attempt, once an answer of the registry or the verdict of a connection is there."""
        try:
            async with asyncio.timeout(remaining(self._deadline, time.monotonic())):
                return await service.pool.wait()
        except TimeoutError:
            raise aiohttp.ServerTimeoutError(f"while waiting: {service.pool.why()}") from None
        except MusterError as error:
            raise in_terms_of_aiohttp(error, request.connection_key) from error


def _given(answer: aiohttp.ClientResponse | Exception, node: Node[Link]) -> aiohttp.ClientResponse:
    """What the last attempt gave, for the caller. Its error knows no more than the service's name by itself."""
    if isinstance(answer, aiohttp.ClientResponse):
        return answer
    where = f"{node.instance.id} at {node.instance.address}"
    if isinstance(answer, TimeoutError) and not isinstance(answer, aiohttp.ClientError):
        raise aiohttp.ServerTimeoutError(f"{node.instance.service}: no answer in time from {where}") from answer
    answer.add_note(f"the instance was {where}")
    raise answer
