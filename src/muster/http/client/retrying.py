"""What follows an attempt that failed: the attempt machine, driven for one request."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import aiohttp

from muster.balance.nodes import Node
from muster.call.attempt import Attempts, Decision, Fail, Retrier, Wait
from muster.call.deadline import remaining
from muster.http.client.alarm import Alarms
from muster.http.client.attempt import Answer, Attempt
from muster.http.client.link import Link
from muster.http.client.services import Service, Services
from muster.model.errors import MusterError
from muster.model.events import AttemptFailed, Observer, RetryBudgetExhausted
from muster.model.outcome import Outcome


@dataclass(frozen=True)
class Calling:
    """How requests are made. `retries(name)` tells whether failed attempts may be repeated at this moment,
    `hedges(name)` whether requests may be sent twice. `limited`: attempts have a limit of their own."""

    services: Services
    alarms: Alarms
    retrier: Retrier
    observe: Observer
    retries: Callable[[str], bool]
    hedges: Callable[[str], bool]
    limited: bool


class Retrying:
    """Decides on further attempts of one request to one service. `state`: what happened so far."""

    def __init__(
        self, calling: Calling, service: Service, request: aiohttp.ClientRequest, key: str | None, state: Attempts
    ) -> None:
        self.state = state
        self._key = key
        self._calling = calling
        self._service = service
        self._request = request
        self._tried: list[Node[Link]] = []

    async def next(self, attempt: Attempt, answer: Answer) -> Node[Link] | None:
        """Who is to be asked after `attempt`, once it is time to; None if its `answer` is all that the caller gets."""
        self._tried.append(attempt.node)
        decision = self._decide(attempt.outcome)
        self._tell(attempt, answer, decision)
        if isinstance(decision, Fail):
            return None
        try:
            other = await self._find(decision.seconds if isinstance(decision, Wait) else 0.0, answer)
        except BaseException:
            _drop(answer)
            raise
        if other is not None:
            _drop(answer)
            await self._request.close()  # nothing reads its body any more
        return other

    def _decide(self, outcome: Outcome) -> Decision:
        body = self._request.body
        repeatable = outcome.unprocessed or not body or not body.consumed
        self.state = replace(self.state.after(outcome), repeatable=repeatable and self.state.repeatable)
        if not self._calling.retries(self._service.name):
            return Fail()
        elsewhere = self._service.pool.elsewhere(self._tried)
        return self._calling.retrier.decide(self.state, outcome, time.monotonic(), elsewhere=elsewhere)

    async def _find(self, pause: float, answer: Answer) -> Node[Link] | None:
        """An instance, after a pause; None if none is there in time, which the error of the failed attempt tells."""
        try:
            async with asyncio.timeout(remaining(self.state.deadline, time.monotonic())):
                await asyncio.sleep(pause)
                return await self._service.entrance.wait(self._tried, self._key)
        except (TimeoutError, MusterError) as error:
            if isinstance(answer, Exception):
                answer.add_note(f"and then: {error or self._service.pool.why()}")
            return None

    def _tell(self, attempt: Attempt, answer: Answer, decision: Decision) -> None:
        """Tell the observer of an attempt that failed, unless it ended with an answer of the application (4xx)."""
        name, observe = self._service.name, self._calling.observe
        method = self._request.method  # not its path, which may hold secrets and has no end of values
        if isinstance(decision, Fail) and decision.exhausted:
            observe(RetryBudgetExhausted(name, method))
        if isinstance(answer, aiohttp.ClientResponse) and answer.status < 500:
            return
        instance_id, number = attempt.node.instance.id, self.state.sent + self.state.resent
        retrying = not isinstance(decision, Fail)
        observe(AttemptFailed(name, method, instance_id, attempt.outcome.code, number, retrying=retrying))


def _drop(answer: Answer) -> None:
    if isinstance(answer, aiohttp.ClientResponse):
        answer.release()
