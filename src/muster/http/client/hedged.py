"""A request that is sent a second time when its answer is late.

Two calls side by side: the first with everything that a call has, retries included; the second, to another instance, a
single attempt. Whichever answers first is the answer; the other is cancelled.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from copy import copy
from dataclasses import replace

import aiohttp
from aiohttp import hdrs
from aiohttp.payload import BytesPayload

from muster.balance.nodes import Node
from muster.http.client.attempt import Answer, Send
from muster.http.client.call import Call
from muster.http.client.link import Link
from muster.http.client.methods import is_idempotent
from muster.http.client.routing import Routed
from muster.http.client.services import Service
from muster.model.errors import MusterError
from muster.model.events import CallHedged

Sending = Callable[[aiohttp.ClientRequest, Send], Awaitable[aiohttp.ClientResponse]]
"""What a Call is."""


class HedgedCall(Call):
    """A call that is hedged if its request may be processed twice, and can be sent twice at once."""

    __slots__ = ()

    async def __call__(self, request: aiohttp.ClientRequest, send: Send) -> aiohttp.ClientResponse:
        """As Call's."""
        service = self._calling.services.of(request.url, time.monotonic(), self._terms.name)
        hedger = service.hedger
        if hedger is None or not self._may_be_hedged(request, service):
            return await super().__call__(request, send)
        began, delay = time.monotonic(), hedger.delay(request.method)
        call = super().__call__
        if delay is None:
            answer = await _answer(call, request, send)
        else:
            answer = await self._first_of_two(call, delay, service, request, send)
        if isinstance(answer, Exception):
            raise answer
        if _is_good(answer):
            hedger.record(request.method, time.monotonic() - began)
        return answer

    def _may_be_hedged(self, request: aiohttp.ClientRequest, service: Service) -> bool:
        may_be_processed_twice = self._terms.idempotent or is_idempotent(request)
        body_in_memory = not request.body or isinstance(request.body, BytesPayload)
        asks_first = hdrs.EXPECT in request.headers
        return may_be_processed_twice and body_in_memory and not asks_first and self._calling.hedges(service.name)

    async def _first_of_two(
        self, call: Sending, delay: float, service: Service, request: aiohttp.ClientRequest, send: Send
    ) -> Answer:
        tasks: list[asyncio.Task[Answer]] = []
        best: asyncio.Task[Answer] | None = None
        try:
            async with asyncio.TaskGroup() as group:
                tasks.append(group.create_task(_answer(call, request, send)))
                await asyncio.wait(tasks, timeout=delay)
                other = None if tasks[0].done() else self._another(service, request)
                if other is not None:
                    tasks.append(group.create_task(_answer(self._second(other), _copied(request), send)))
                best = await _best(tasks)
                for task in tasks:
                    task.cancel()
            return best.result()
        finally:
            for task in tasks:
                _dispose(task, best)

    def _another(self, service: Service, request: aiohttp.ClientRequest) -> Node[Link] | None:
        """Where to send it besides the instance where it is now, if that is allowed: the budget is charged for it."""
        node = self.node
        if node is None:
            return None
        try:
            other = service.entrance.choose((node,), service.key_in(request))
        except MusterError:
            return None
        if other is node or not self._calling.retrier.budget.withdraw(time.monotonic()):
            return None
        self._calling.observe(CallHedged(service.name, request.method, other.instance.id))
        return other

    def _second(self, node: Node[Link]) -> Call:
        return Call(self._calling, replace(self._terms, once=True), self._deadline, node)


async def _answer(call: Sending, request: aiohttp.ClientRequest, send: Send) -> Answer:
    try:
        return await call(request, send)
    except Exception as error:
        return error


def _is_good(answer: Answer) -> bool:
    return isinstance(answer, aiohttp.ClientResponse) and answer.status < 500


async def _best(tasks: list[asyncio.Task[Answer]]) -> asyncio.Task[Answer]:
    """Who answers first. A failure counts only if the other can do no better; where both have failed, the first has
    tried more."""
    running = set(tasks)
    while running:
        done, running = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in done:
            if _is_good(task.result()):
                return task
    return tasks[0]


def _copied(request: aiohttp.ClientRequest) -> aiohttp.ClientRequest:
    """The same request, to be sent beside the first: with a link and a time limit of its own."""
    assert isinstance(request, Routed)
    other = copy(request)
    other.headers = request.headers.copy()
    return other


def _dispose(task: asyncio.Task[Answer], best: asyncio.Task[Answer] | None) -> None:
    """Let go of an answer that nobody gets."""
    if task is not best and not task.cancelled():
        answer = task.result()
        if isinstance(answer, aiohttp.ClientResponse):
            answer.close()
