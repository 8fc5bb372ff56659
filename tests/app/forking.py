"""Forks processes that use a sync client: `forking.py SCENARIO` runs one and prints "ok".

The registry is MUSTER_REGISTRY's, with two greeters. In processes of their own, since pytest has threads of its own and
uses grpc.aio, with which no process can fork.
"""

from __future__ import annotations

import faulthandler
import gc
import json
import multiprocessing
import os
import signal
import sys
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.append(str(Path(__file__).parents[2] / "examples" / "greeter"))

import grpc
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

import muster
from muster.model.events import Event, InstanceEjected

SECONDS = 20
told: list[Event] = []


@contextmanager
def opened() -> Iterator[tuple[muster.sync.Client, SayStub]]:
    with muster.sync.Client(observe=told.append) as client:
        yield client, SayStub(client.channel("greeter"))


def greet(say: SayStub, times: int = 1) -> None:
    for _ in range(times):
        assert say.Hello(HelloRequest(name="x")).message == "Hello, x!"


def child_of(work: Callable[[], object]) -> None:
    """Fork, do `work` in the child, which then ends as a program does. Raises where the child fails."""
    child = os.fork()
    if not child:
        told.clear()
        signal.alarm(SECONDS)
        work()
        sys.exit(0)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"the child ended with {status}"


def unharmed() -> None:
    """The parent's connections have not noticed anything."""
    assert not [event for event in told if isinstance(event, InstanceEjected)]


def before_the_first_call() -> None:
    """As pre-fork servers do: opened and given out, but not used yet."""
    with opened() as (_, say):
        child_of(lambda: greet(say, 5))
        child_of(lambda: greet(say, 5))
        greet(say, 5)


def after_calls() -> None:
    """Whatever was made of the client before the fork works in the child, and goes on in the parent."""
    with opened() as (client, say):
        greet(say, 5)
        pool = client.pool("greeter")
        with pool.lease() as lease:
            assert lease.instance.port

            def child() -> None:
                greet(say, 20)
                assert len(list(say.ListHellos(HelloRequest(count=2)))) == 2
                assert say.Hello.future(HelloRequest(name="x")).result(30).message == "Hello, x!"
                assert client.call("greeter", "Say.Hello", {"name": "x"})["message"] == "Hello, x!"
                assert "greeter" in client.names()
                with pool.lease(timeout=5) as own:
                    assert own.instance.port
                lease.release()
                for snapshot in client.watch("greeter"):
                    assert isinstance(snapshot, muster.Known)
                    break

            child_of(child)
        greet(say, 20)
        unharmed()


def generations() -> None:
    """A child's child."""
    with opened() as (_, say):
        greet(say)
        child_of(lambda: [greet(say), child_of(lambda: greet(say, 5)), greet(say)])
        greet(say)
        unharmed()


def a_child_that_closes() -> None:
    """What the child closes is its own."""
    with opened() as (client, say):
        greet(say)
        child_of(lambda: [greet(say), client.close()])
        child_of(client.close)
        greet(say)
        unharmed()


def while_threads_call() -> None:
    """Forks in a parent that is in the midst of calls and streams."""
    with opened() as (_, say):
        ending = threading.Event()
        failed: list[grpc.RpcError] = []
        done = [0]

        def work() -> None:
            while not ending.is_set():
                try:
                    greet(say)
                    done[0] += 1
                except grpc.RpcError as error:
                    failed.append(error)

        def stream() -> None:
            while not ending.is_set():
                assert len(list(say.ListHellos(HelloRequest(count=2)))) == 2

        threads = [threading.Thread(target=each) for each in (work, work, work, stream)]
        for thread in threads:
            thread.start()
        for _ in range(5):
            child_of(lambda: greet(say, 10))
            so_far = done[0]
            while done[0] < so_far + 20:
                time.sleep(0.01)
        ending.set()
        for thread in threads:
            thread.join()
        assert not failed, failed
        unharmed()


def as_the_first_call_is_made() -> None:
    """gRPC does not hear of a fork that began before there was a channel."""
    with opened() as (_, say):
        os.register_at_fork(before=lambda: greet(say))
        child_of(lambda: greet(say, 5))
        greet(say, 5)
        unharmed()


def with_multiprocessing() -> None:
    with opened() as (_, say):
        greet(say)
        fork = multiprocessing.get_context("fork")
        for _ in range(2):
            processes = [fork.Process(target=greet, args=(say, 5)) for _ in range(3)]
            for process in processes:
                process.start()
            for process in processes:
                process.join(SECONDS)
                assert process.exitcode == 0
        greet(say)
        unharmed()


def news_after_children() -> None:
    """What a child closes when it ends, by itself or by its interpreter, leaves the parent's watches alone."""
    with opened() as (client, say):
        greet(say)
        snapshots = client.watch("newcomer")
        assert isinstance(next(snapshots), muster.Absent)

        def child() -> None:
            greet(say)
            client._opened = None
            client._channels.clear()
            gc.collect()

        child_of(child)
        agent = os.environ["MUSTER_REGISTRY"].replace("consul://", "http://")
        body = json.dumps({"Name": "newcomer", "Port": 9}).encode()
        request = urllib.request.Request(f"{agent}/v1/agent/service/register", body, method="PUT")
        with urllib.request.urlopen(request, timeout=SECONDS):
            assert isinstance(next(snapshots), muster.Known)
        snapshots.close()
        greet(say)
        unharmed()


def switched_off() -> None:
    """With gRPC's fork support switched off a child of a process that used gRPC says so, and does not hang."""
    assert os.environ["GRPC_ENABLE_FORK_SUPPORT"] == "0"
    with opened() as (_, say):
        greet(say)

        def child() -> None:
            try:
                greet(say)
            except grpc.RpcError as error:
                assert "GRPC_ENABLE_FORK_SUPPORT" in (error.details() or ""), error
            else:
                raise AssertionError("it should not work")

        child_of(child)
        greet(say)


if __name__ == "__main__":
    # A watchdog thread, as faulthandler has one, would be lost in a fork.
    faulthandler.register(signal.SIGALRM, chain=True)
    signal.alarm(3 * SECONDS)
    globals()[sys.argv[1]]()
    print("ok", flush=True)
