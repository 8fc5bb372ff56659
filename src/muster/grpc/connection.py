"""Keeping a connection to one instance, and knowing that it is this instance."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from random import Random
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from muster.balance.nodes import Readiness
from muster.client.connector import Report
from muster.grpc.link import Link, Spawn
from muster.model.instance import Instance
from muster.watch.backoff import Backoff

FIRST_ANSWER = 5.0
"""Seconds from the first packet until an instance must have said that it serves."""

STEADY = 1.0
"""Seconds that a connection must have lasted for its loss to count as the first failure, tried anew at once."""

BACKOFF = Backoff(initial=0.05, maximum=2.0)
"""An instance that is back under its address is called again within 2 s; gRPC's own backoff grows to two minutes."""

_Answer = health_pb2.HealthCheckResponse
_STRANGER = "a stranger answers at {address}: it does not know instance {id}"


class Lost(Exception):
    """The connection, or the right to use it, has ended; the text says why."""


class Connection:
    """Connects, proves who answers, tells `report`, and starts over when the connection is lost; until closed.

    A verifiable instance is ready while `grpc.health.v1.Health/Watch` for its id says SERVING: its stream ends with
    the connection, so that no call goes where nobody has proved who listens. Others are ready while connected.
    """

    def __init__(self, instance: Instance, report: Report[Link], dial: Callable[[], Link], rng: Random) -> None:
        self._instance = instance
        self._report = report
        self._dial = dial
        self._rng = rng
        self._ready = False
        self._closed = False
        self._task: asyncio.Task[None] | None = None

    def open(self, spawn: Spawn) -> None:
        """Begin. Called once."""
        self._task = spawn(self._run())

    def close(self) -> None:
        """Nothing more is reported; the link is closed when its last user has done."""
        self._closed = True
        if self._task is not None:
            self._task.cancel()

    async def _run(self) -> None:
        failures = 0
        while not self._closed:
            began = time.monotonic()
            why = await self._connect_once()
            if self._closed:
                # A task group that fails while it is cancelled forgets the cancellation (Python before 3.13).
                return
            steady = self._ready and time.monotonic() - began >= STEADY
            failures = 0 if steady else failures + 1
            # What was ready a moment ago is probably back in another: calls may wait for that one attempt.
            self._report(Readiness.CONNECTING if self._ready else Readiness.DOWN, why, None)
            if failures:
                await asyncio.sleep(BACKOFF.pause(failures, self._rng))

    async def _connect_once(self) -> str:
        """The life of one link. Returns why it ended."""
        self._ready = False
        why = ""
        try:
            link = self._dial()
        except Exception as error:
            # A host that is no host, or options that grpc refuses: a reason to give, none to end the client.
            return f"cannot open a channel to {self._instance.address}: {error!r}"
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_connection(link))
                if self._instance.verifiable:
                    group.create_task(self._follow_health(link))
        except* Lost as lost:
            why = str(lost.exceptions[0])
        finally:
            link.retire()
        return why

    async def _follow_connection(self, link: Link) -> None:
        """Raises Lost when the connection cannot be made, or is made and then lost."""
        await self._connected(link.channel)
        if not self._instance.verifiable:
            self._tell(Readiness.READY, link=link)
        await link.lost()
        raise Lost(f"the connection to {self._instance.address} was lost")

    async def _connected(self, channel: grpc.aio.Channel) -> None:
        try:
            async with asyncio.timeout(FIRST_ANSWER):
                state = channel.get_state(try_to_connect=True)
                while state is not grpc.ChannelConnectivity.READY:
                    if state is grpc.ChannelConnectivity.TRANSIENT_FAILURE:
                        raise await self._refused(channel)
                    await channel.wait_for_state_change(state)
                    state = channel.get_state(try_to_connect=True)
        except TimeoutError:
            raise Lost(f"{self._instance.address} did not answer within {FIRST_ANSWER:g} s") from None

    async def _refused(self, channel: grpc.aio.Channel) -> Lost:
        """Why connecting failed: a channel does not tell, but a call that fails on it does."""
        try:
            await _health(channel.unary_unary, "Check")(health_pb2.HealthCheckRequest())
        except grpc.aio.AioRpcError as error:
            return Lost(error.details() or error.code().name)
        return Lost(f"cannot connect to {self._instance.address}")

    async def _follow_health(self, link: Link) -> None:
        """Tells what the instance says of itself. Raises Lost when it says no more, or is another."""
        request = health_pb2.HealthCheckRequest(service=self._instance.id)
        watch = _health(link.channel.unary_stream, "Watch")(request, wait_for_ready=True)
        answers = aiter(watch)
        try:
            async with asyncio.timeout(FIRST_ANSWER):
                first = await anext(answers)
            self._judge(first.status, link)
            async for answer in answers:
                self._judge(answer.status, link)
        except TimeoutError:
            raise Lost(f"{self._instance.address} did not say within {FIRST_ANSWER:g} s who it is") from None
        except grpc.aio.AioRpcError as error:
            raise self._ended(error) from error
        except StopAsyncIteration:
            pass  # the first answer never came; told below
        finally:
            watch.cancel()
        raise Lost(f"{self._instance.address} says no more whether it serves")

    def _judge(self, status: int, link: Link) -> None:
        match status:
            case _Answer.SERVING:
                self._tell(Readiness.READY, link=link)
            case _Answer.SERVICE_UNKNOWN:
                self._tell(Readiness.DOWN, self._stranger())
            case _:
                self._tell(Readiness.DOWN, "draining, or not serving yet")

    def _ended(self, error: grpc.aio.AioRpcError) -> Lost:
        if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED):
            return Lost(self._stranger())
        return Lost(error.details() or error.code().name)

    def _stranger(self) -> str:
        return _STRANGER.format(address=self._instance.address, id=self._instance.id)

    def _tell(self, readiness: Readiness, why: str = "", link: Link | None = None) -> None:
        self._ready = self._ready or readiness is Readiness.READY
        self._report(readiness, why, link)


def _health(make: Callable[..., Any], method: str) -> Any:
    """A multicallable of grpc.health.v1.Health, as its generated stub makes it (which lacks types)."""
    return make(
        f"/grpc.health.v1.Health/{method}",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
