"""A sync client follows instances that drain, die, are replaced and are strangers; and its calls keep to their time."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any

import grpc
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.balance.balancing import Balancing
from muster.call.breaker import Concurrency
from muster.call.hedge import Hedging
from muster.call.retry import RetryPolicy
from muster.client.background import background
from muster.model.events import InstanceEjected
from muster.model.instance import Instance
from muster.rpc.current import Served, serving


class Load:
    """Threads that call all the time, and what came of it."""

    def __init__(self, say: SayStub) -> None:
        self.served: Counter[str] = Counter()
        self.failed: list[grpc.RpcError] = []
        self._say = say
        self._ending = threading.Event()

    def work(self) -> None:
        while not self._ending.is_set():
            try:
                self.served[self._say.Hello(HelloRequest(name="x")).served_by] += 1
            except grpc.RpcError as error:
                self.failed.append(error)

    def since_now(self, many: int) -> Counter[str]:
        """What is served from now on, once it is that many."""
        before = self.served.copy()
        end = time.monotonic() + 20
        while (self.served - before).total() < many:
            assert time.monotonic() < end
            time.sleep(0.01)
        return self.served - before

    def end(self) -> None:
        self._ending.set()


@contextmanager
def load(say: SayStub, threads: int = 6) -> Iterator[Load]:
    working = Load(say)
    workers = [threading.Thread(target=working.work) for _ in range(threads)]
    for worker in workers:
        worker.start()
    try:
        yield working
    finally:
        working.end()
        for worker in workers:
            worker.join()


def test_a_killed_instance_fails_no_idempotent_call(world) -> None:
    processes = [world.process(letter) for letter in "abc"]
    say = world.stub(*processes, idempotent={"*"})
    with load(say) as calls:
        calls.since_now(100)
        processes[0].signal(signal.SIGKILL)
        calls.since_now(200)
        after = calls.since_now(200)
    assert calls.failed == []
    assert set(after) == {"b", "c"}


def test_draining_fails_no_call(world) -> None:
    greeters = [world.greeter(letter) for letter in "ab"]
    say = world.stub(*greeters)
    with load(say) as calls:
        greeters[0].serving(False)
        calls.since_now(50)
        greeters[0].stop(grace=5)
        after = calls.since_now(100)
    assert calls.failed == []
    assert set(after) == {"b"}


def test_all_instances_replaced_at_once(world) -> None:
    say = world.stub(world.greeter("a"), world.greeter("b"))
    with load(say) as calls:
        world.book.know(world.greeter("c"), world.greeter("d"))
        while not {"c", "d"} <= set(calls.since_now(20)):
            pass
        after = calls.since_now(100)
    assert calls.failed == []
    assert set(after) == {"c", "d"}


def test_a_stranger_on_a_dead_instances_port_gets_no_call(world) -> None:
    gone, other = world.process("a"), world.greeter("b")
    say = world.stub(gone, other, idempotent={"*"})
    with load(say) as calls:
        calls.since_now(20)
        gone.end()
        stranger = world.greeter("stranger", port=gone.port)
        calls.since_now(300)
    assert calls.failed == []
    assert stranger.say.calls == 0


def test_a_call_sees_a_lost_connection_that_the_loop_has_not_heard_of(world, until) -> None:
    gone, other = world.process("a"), world.greeter("b")
    say = world.stub(gone, other)
    while {say.Hello(HelloRequest(name="x")).served_by for _ in range(8)} != {"a", "b"}:
        pass
    _, method = say.Hello._bound
    links = list(method._bound)
    with background().inside:  # so the loop stands still
        gone.end()
        until(lambda: not all(link.connected for link in links))
        stranger = world.greeter("stranger", port=gone.port)
        served = Counter(say.Hello(HelloRequest(name="x")).served_by for _ in range(8))
    assert served == {"b": 8}
    assert stranger.say.calls == 0
    until(lambda: any(link.closed for link in links))  # which a call that is still counted would put off


def test_an_instance_that_is_back_under_its_address_is_called_again(world) -> None:
    first = world.process("a")
    say = world.stub(first, world.greeter("b"), idempotent={"*"})
    with load(say) as calls:
        first.end()
        calls.since_now(50)
        world.process("a", port=first.port)
        while "a" not in calls.since_now(50):
            pass
    assert calls.failed == []


def test_an_instance_of_others_is_called_without_health_checks(world) -> None:
    greeter = world.greeter("a")
    greeter.serving(False)
    say = world.stub(Instance("foreign", "greeter", "127.0.0.1", greeter.port))
    assert say.Hello(HelloRequest(name="x")).served_by == "a"


def test_an_attempt_may_have_less_time_than_the_call(world) -> None:
    hanging, other = world.process("a"), world.greeter("b")
    say = world.stub(hanging, other, idempotent={"*"}, retry=RetryPolicy(attempt_timeout=0.2))
    hanging.signal(signal.SIGSTOP)
    try:
        assert {say.Hello(HelloRequest(name="x"), timeout=30).served_by for _ in range(6)} == {"b"}
    finally:
        hanging.signal(signal.SIGCONT)


def nested(timeout: float | None, say: Any) -> float:
    """What a call made while serving another is given, in seconds, as the server sees it."""
    token = serving.set(Served("/outer", deadline=time.monotonic() + 2.0))
    try:
        future = say.Hello.future(HelloRequest(), timeout=timeout)
        left: float = future.time_remaining()
        future.result()
        return left
    finally:
        serving.reset(token)


@pytest.mark.parametrize("timeout", [None, 1.0, 60.0])
def test_a_nested_call_never_outlives_the_call_it_serves(world, timeout: float | None) -> None:
    say = world.stub(world.greeter("a"))
    assert nested(timeout, say) <= min(timeout or 2.0, 2.0)
    token = serving.set(Served("/outer", deadline=time.monotonic()))
    try:
        with pytest.raises(grpc.RpcError) as failed:
            say.Hello(HelloRequest(), timeout=timeout)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    finally:
        serving.reset(token)


@pytest.mark.parametrize("way", ["call", "with_call", "future"])
def test_a_late_answer_is_not_waited_for(world, way: str) -> None:
    """The second call goes elsewhere; the first is cancelled."""
    greeters = [world.greeter("a"), world.greeter("b")]
    say = world.stub(*greeters, idempotent={"*"}, retry=RetryPolicy(hedging=Hedging(delay=0.05)))
    request = HelloRequest(name="hang:a")
    while not greeters[0].say.hanging.is_set():
        match way:
            case "call":
                assert say.Hello(request, timeout=30).served_by == "b"
            case "with_call":
                reply, call = say.Hello.with_call(request, timeout=30)
                assert reply.served_by == "b" and dict(call.initial_metadata())["served-by"] == "b"
            case "future":
                future = say.Hello.future(request, timeout=30)
                assert future.result(30).served_by == "b" and future.code() is grpc.StatusCode.OK
    assert greeters[0].say.gone.wait(30)
    for call in (lambda: say.Hello(HelloRequest(name="fail:NOT_FOUND")),):
        with pytest.raises(grpc.RpcError) as failed:
            call()
        assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    future = say.Hello.future(HelloRequest(name="hang"))
    assert future.cancel()
    assert future.code() is grpc.StatusCode.CANCELLED and future.cancelled()


def test_limits_for_calls_under_way_hold_for_threads(world) -> None:
    greeter = world.greeter("a")
    say = world.stub(greeter, concurrency=Concurrency(service=1, pending=0))
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(say.Hello, HelloRequest(name="hang"))
        assert greeter.say.hanging.wait(30)
        with pytest.raises(grpc.RpcError) as failed:
            say.Hello(HelloRequest(name="x"))
        assert failed.value.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        greeter.say.release.set()
        assert first.result(30).served_by == "a"
    assert say.Hello(HelloRequest(name="x")).served_by == "a"


def test_calls_with_one_key_go_to_one_instance(world) -> None:
    greeters = [world.greeter(letter) for letter in "abc"]
    say = world.stub(*greeters, balancing=Balancing("rendezvous", key="user"))
    for user in range(12):
        asked = [say.Hello(HelloRequest(), metadata=(("user", f"{user}"),), wait_for_ready=True) for _ in range(3)]
        assert len({reply.served_by for reply in asked}) == 1
    served = {say.Hello(HelloRequest(), metadata=(("user", f"{user}"),)).served_by for user in range(40)}
    assert served == {"a", "b", "c"}


@pytest.mark.parametrize(("left", "ejected"), [(0.05, False), (None, True)])
def test_calls_whose_parent_has_hardly_any_time_left_eject_nobody(world, left, ejected) -> None:
    say = world.stub(world.greeter("a"), world.greeter("b"), timeout=10.0 if left else 0.05)
    for _ in range(16):
        token = serving.set(Served("/front/Call", deadline=left and time.monotonic() + left))
        with pytest.raises(grpc.RpcError) as failed:
            say.Hello(HelloRequest(name="hang"))
        serving.reset(token)
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED
    assert any(isinstance(event, InstanceEjected) for event in world.events) is ejected
