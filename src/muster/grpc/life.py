"""One connection to an instance, from dialing to its loss, and the proof that it is this instance."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health_pb2

from muster.balance.nodes import Readiness
from muster.grpc.link import Link, Spawn
from muster.model.instance import Instance

FIRST_ANSWER = 5.0
"""Seconds from the first packet until an instance must have said that it serves."""

_Answer = health_pb2.HealthCheckResponse
_STRANGER = "a stranger answers at {address}: it does not know instance {id}"


class Lost(Exception):
    """The connection, or the right to use it, has ended; the text says why."""


class Life:
    """Connects `link` once, proves who answers, and calls `tell(life, readiness, why)` until the link is lost.

    A verifiable instance is ready while `grpc.health.v1.Health/Watch` for its id says SERVING: its stream ends with
    the connection, so that no call goes where nobody has proved who listens. Others are ready while connected.
    """

    def __init__(self, instance: Instance, link: Link, tell: Callable[[Life, Readiness, str], None]) -> None:
        self.link = link
        self.ready: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._instance = instance
        self._tell_of = tell

    def begin(self, spawn: Spawn) -> None:
        """Called once. `ended` is done when the link is lost, and its result says why."""
        self.ended: asyncio.Task[str] = spawn(self._run())

    def end(self) -> None:
        """Nothing more is told; the link is closed when its last user has done."""
        self.ended.cancel()
        self.link.retire()

    async def _run(self) -> str:
        why = ""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._follow_connection())
                if self._instance.verifiable:
                    group.create_task(self._follow_health())
        except* Lost as lost:
            why = str(lost.exceptions[0])
        finally:
            self.link.retire()
        return why

    async def _follow_connection(self) -> None:
        """Raises Lost when the connection cannot be made, or is made and then lost."""
        await self._connected(self.link.channel)
        if not self._instance.verifiable:
            self._tell(Readiness.READY)
        await self.link.lost()
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
        except grpc.aio.UsageError as error:
            # The client was closed meanwhile: grpc.aio raises this in place of the cancellation.
            raise Lost(f"the channel to {self._instance.address} was closed") from error

    async def _refused(self, channel: grpc.aio.Channel) -> Lost:
        """Why connecting failed: a channel does not tell, but a call that fails on it does."""
        try:
            await _health(channel.unary_unary, "Check")(health_pb2.HealthCheckRequest())
        except grpc.aio.AioRpcError as error:
            return Lost(error.details() or error.code().name)
        return Lost(f"cannot connect to {self._instance.address}")

    async def _follow_health(self) -> None:
        """Tells what the instance says of itself. Raises Lost when it says no more, or is another."""
        request = health_pb2.HealthCheckRequest(service=self._instance.id)
        watch = _health(self.link.channel.unary_stream, "Watch")(request, wait_for_ready=True)
        answers = aiter(watch)
        try:
            async with asyncio.timeout(FIRST_ANSWER):
                first = await anext(answers)
            self._judge(first.status)
            async for answer in answers:
                self._judge(answer.status)
        except TimeoutError:
            raise Lost(f"{self._instance.address} did not say within {FIRST_ANSWER:g} s who it is") from None
        except grpc.aio.AioRpcError as error:
            raise self._gave_up(error) from error
        except StopAsyncIteration:
            pass  # the first answer never came; told below
        finally:
            watch.cancel()
        raise Lost(f"{self._instance.address} says no more whether it serves")

    def _judge(self, status: int) -> None:
        match status:
            case _Answer.SERVING:
                self._tell(Readiness.READY)
            case _Answer.SERVICE_UNKNOWN:
                self._tell(Readiness.DOWN, self._stranger())
            case _:
                self._tell(Readiness.DOWN, "draining, or not serving yet")

    def _gave_up(self, error: grpc.aio.AioRpcError) -> Lost:
        if error.code() in (grpc.StatusCode.NOT_FOUND, grpc.StatusCode.UNIMPLEMENTED):
            return Lost(self._stranger())
        return Lost(error.details() or error.code().name)

    def _stranger(self) -> str:
        return _STRANGER.format(address=self._instance.address, id=self._instance.id)

    def _tell(self, readiness: Readiness, why: str = "") -> None:
        if readiness is Readiness.READY and not self.ready.done():
            self.ready.set_result(None)
        self._tell_of(self, readiness, why)


def _health(make: Callable[..., Any], method: str) -> Any:
    """A multicallable of grpc.health.v1.Health, as its generated stub makes it (which lacks types)."""
    return make(
        f"/grpc.health.v1.Health/{method}",
        request_serializer=health_pb2.HealthCheckRequest.SerializeToString,
        response_deserializer=health_pb2.HealthCheckResponse.FromString,
    )
