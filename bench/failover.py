"""What a SIGKILLed instance costs its callers: a caller in a loop, and sixteen of them, one of three servers killed."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import time
from dataclasses import dataclass
from typing import Any

import grpc
import grpc.aio

from bench.figure import Figure, of_repeats
from bench.grpc_call import PATH, REQUEST, TIMEOUT, Fixed, StringValue, servers_and_pids
from muster.grpc.transport import GrpcTransport
from muster.model.events import Event, InstanceEjected
from muster.model.instance import Instance


@dataclass
class _Seen:
    """What one round of calls saw. Times in seconds since the kill."""

    failed: int = 0
    ejected: float = float("nan")
    killed: float = 0.0


def measure(quick: bool = False) -> list[Figure]:
    return asyncio.run(_rounds(2 if quick else 9))


async def _rounds(count: int) -> list[Figure]:
    alone = [await _round(callers=1, idempotent=False) for _ in range(count)]
    many = [await _round(callers=16, idempotent=True) for _ in range(count)]
    return [
        of_repeats("SIGKILL: failed calls of one caller", [float(seen.failed) for seen in alone], "", at_most=1),
        of_repeats("SIGKILL to never chosen again", [seen.ejected * 1e3 for seen in alone], "ms"),
        of_repeats(
            "SIGKILL: failed idempotent calls, 16 in flight", [float(seen.failed) for seen in many], "", at_most=0
        ),
    ]


async def _round(*, callers: int, idempotent: bool) -> _Seen:
    with servers_and_pids(3) as (instances, pids):
        return await _calls(instances, pids[0], callers, idempotent)


async def _calls(instances: list[Instance], victim: int, callers: int, idempotent: bool) -> _Seen:
    seen = _Seen()

    def observe(event: Event) -> None:
        if isinstance(event, InstanceEjected) and seen.killed and event.instance_id == instances[0].id:
            seen.ejected = time.perf_counter() - seen.killed

    methods = {PATH} if idempotent else set[str]()
    async with GrpcTransport(Fixed(instances), observe=observe, idempotent=methods) as transport:
        channel = transport.channel("bench")
        await channel.channel_ready()
        call = channel.unary_unary(PATH, StringValue.SerializeToString, StringValue.FromString)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(_caller(call, seen)) for _ in range(callers)]
            await asyncio.sleep(0.3)
            seen.killed = time.perf_counter()
            os.kill(victim, signal.SIGKILL)
            await asyncio.sleep(0.5)
            for task in tasks:
                task.cancel()
    return seen


async def _caller(call: Any, seen: _Seen) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        while True:
            try:
                await call(REQUEST, timeout=TIMEOUT)
            except grpc.aio.AioRpcError:
                seen.failed += 1
