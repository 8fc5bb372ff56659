"""Calls at a steady rate, from a process that does nothing else: `load.py REGISTRY KIND...`, a client for each KIND.

Prints a line of JSON some fifty times a second, with all that its clients have done and heard so far, until its
standard input ends; the last line is printed when every call has ended.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

sys.path.append(str(Path(__file__).parents[2] / "examples" / "greeter"))

import grpc.aio
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

import muster
from muster.call.retry import NO_RETRIES
from muster.model.events import AttemptFailed, Event, InstanceEjected, SnapshotUpdated
from muster.model.snapshot import instances_of

RATE = 500
"""Calls a second, of all clients together."""

MOST = 100
"""Calls under way, which take 3 ms each where the machine has time. On one that has not, more would be an overload."""

DEADLINE = 15.0

ATTEMPT = 2.0
"""Seconds for an attempt where it has an end: more than a busy machine keeps a process waiting."""

IDEMPOTENT = {"idempotent": {"/greeter.Say/Hello"}}

KINDS: dict[str, dict[str, Any]] = {
    "plain": {},
    "idempotent": IDEMPOTENT,
    "cut off": {**IDEMPOTENT, "retry": muster.RetryPolicy(attempt_timeout=ATTEMPT)},
    "once": {"retry": NO_RETRIES},
}


class Caller:
    """One client, what came of its calls, and what it was told."""

    def __init__(self, registry: str, kind: str) -> None:
        self.client = muster.Client(registry, observe=self._hear, **KINDS[kind])
        self.sent = 0
        self.served: Counter[str] = Counter()
        self.failed: list[tuple[float, str]] = []
        self.faults: Counter[str] = Counter()
        self.ejected: dict[str, float] = {}
        self.healths: dict[str, list[bool]] = {}
        self.updates = 0
        self.healthy = 0

    async def call(self) -> None:
        self.sent += 1
        began = time.monotonic()
        try:
            reply = await self.stub.Hello(HelloRequest(), timeout=DEADLINE)
        except grpc.aio.AioRpcError as error:
            self.failed.append((began, str(error)))
        else:
            self.served[reply.served_by] += 1

    async def begin(self) -> None:
        """Returns when the service has answered for the first time."""
        self.stub = SayStub(self.client.channel("greeter"))
        await self.stub.Hello(HelloRequest(), timeout=DEADLINE, wait_for_ready=True)

    def report(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name not in ("client", "stub")}

    def _hear(self, event: Event) -> None:
        match event:
            case AttemptFailed():
                self.faults[event.instance_id] += 1
            case InstanceEjected():
                self.ejected.setdefault(event.instance_id, time.monotonic())
            case SnapshotUpdated():
                self._learn(event)

    def _learn(self, event: SnapshotUpdated) -> None:
        instances = instances_of(event.snapshot)
        self.updates += 1
        self.healthy = sum(instance.health.callable for instance in instances)
        for instance in instances:
            seen = self.healths.setdefault(instance.id, [])
            if instance.health.callable not in seen:
                seen.append(instance.health.callable)


async def main(registry: str, *kinds: str) -> None:
    callers = [Caller(registry, kind) for kind in kinds]
    clients = [await caller.client.__aenter__() for caller in callers]
    try:
        for caller in callers:
            await caller.begin()
        stopping = asyncio.Event()
        async with asyncio.TaskGroup() as group:
            group.create_task(_until_told(stopping))
            group.create_task(_tell(callers, stopping))
            missed = await _call(callers, stopping)
        _print(callers, over=True, missed=missed)
    finally:
        for client in clients:
            await client.__aexit__(None, None, None)


async def _call(callers: list[Caller], stopping: asyncio.Event) -> int:
    """Returns when every call has ended, with the number of those that were due and not sent: a busy machine catches up
    with what it has missed only as far as `MOST` allows."""
    began, number, missed = time.monotonic(), 0, 0
    running: set[asyncio.Task[None]] = set()
    async with asyncio.TaskGroup() as calls:
        over = False
        while not over:
            over = stopping.is_set()
            due = int((time.monotonic() - began) * RATE) - number - missed
            sent = min(due, MOST - len(running))
            for _ in range(sent):
                number += 1
                task = calls.create_task(callers[number % len(callers)].call())
                running.add(task)
                task.add_done_callback(running.discard)
            missed += due - sent
            await asyncio.sleep(0.002)
    return missed


async def _until_told(stopping: asyncio.Event) -> None:
    await asyncio.to_thread(sys.stdin.read)
    stopping.set()


async def _tell(callers: list[Caller], stopping: asyncio.Event) -> None:
    while not stopping.is_set():
        _print(callers, over=False)
        await asyncio.sleep(0.02)


def _print(callers: list[Caller], *, over: bool, missed: int = 0) -> None:
    told = {"over": over, "missed": missed, "callers": [caller.report() for caller in callers]}
    print(json.dumps(told), flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
