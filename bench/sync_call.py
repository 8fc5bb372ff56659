"""Unary gRPC calls of several threads, through a channel by name and through bare ones to the same three servers."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import grpc
from google.protobuf.wrappers_pb2 import StringValue

from bench.figure import Figure, of_repeats
from bench.grpc_call import PATH, REQUEST, TIMEOUT, servers
from muster.model.instance import Instance
from muster.registry.static import Static
from muster.sync import Client

THREADS = 8

Call = Callable[[], Any]


def measure(quick: bool = False) -> list[Figure]:
    calls, repeats = (400, 3) if quick else (1600, 41)
    with servers(3) as instances, _bare(instances) as bare, _ours(instances) as ours:
        throughput, cpu = _compare((bare, ours), calls, repeats)
    return [
        of_repeats(f"sync gRPC unary, {THREADS} threads: throughput against bare", throughput, "x", at_least=0.92),
        of_repeats("sync gRPC unary: client CPU per call against bare", cpu, "x"),
    ]


def _compare(kinds: tuple[Call, Call], calls: int, repeats: int) -> tuple[list[float], list[float]]:
    """Short turns, each kind of call first in every other pair: the machine's speed drifts."""
    for kind in kinds:
        _turn(kind, calls)
    throughput, cpu = [], []
    for number in range(repeats):
        order = (0, 1) if number % 2 else (1, 0)
        turns = {which: _turn(kinds[which], calls) for which in order}
        (bare_seconds, bare_cpu), (our_seconds, our_cpu) = turns[0], turns[1]
        throughput.append(bare_seconds / our_seconds)
        cpu.append(our_cpu / bare_cpu)
    return throughput, cpu


def _turn(call: Call, calls: int) -> tuple[float, float]:
    """Wall and CPU seconds of this process for so many calls."""
    left = itertools.repeat(None, calls)

    def work() -> None:
        for _ in left:
            call()

    threads = [threading.Thread(target=work) for _ in range(THREADS)]
    began, cpu = time.perf_counter(), time.process_time()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return time.perf_counter() - began, time.process_time() - cpu


@contextmanager
def _bare(instances: list[Instance]) -> Iterator[Call]:
    with ExitStack() as stack:
        channels = [stack.enter_context(grpc.insecure_channel(instance.address)) for instance in instances]
        turn = itertools.cycle([_stub(channel) for channel in channels])
        yield lambda: next(turn)(REQUEST, timeout=TIMEOUT)


@contextmanager
def _ours(instances: list[Instance]) -> Iterator[Call]:
    with Client(Static({"bench": instances})) as client:
        stub = _stub(client.channel("bench"))
        yield lambda: stub(REQUEST, timeout=TIMEOUT)


def _stub(channel: grpc.Channel) -> Any:
    return channel.unary_unary(PATH, StringValue.SerializeToString, StringValue.FromString)
