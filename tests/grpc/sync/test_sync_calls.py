"""What a stub on a sync channel by name does, on real servers: all kinds of calls, errors, retries, cancelling."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue

import grpc
import pytest
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.call.retry import NO_RETRIES
from muster.model.errors import NoInstances
from muster.model.events import AttemptFailed

ALL = {"*"}


def names(*given: str) -> Iterator[HelloRequest]:
    return (HelloRequest(name=name) for name in given)


def test_a_unary_call_in_its_three_ways(world) -> None:
    say = world.stub(world.greeter("a"))
    assert say.Hello(HelloRequest(name="x"), metadata=(("k", "v"),), compression=grpc.Compression.Gzip).served_by == "a"
    reply, call = say.Hello.with_call(HelloRequest(name="y"))
    assert reply.message == "Hello y" and call.code() is grpc.StatusCode.OK
    assert dict(call.initial_metadata())["served-by"] == "a" and dict(call.trailing_metadata())["done-by"] == "a"
    future = say.Hello.future(HelloRequest(name="z"))
    assert future.result(30).message == "Hello z"
    assert future.done() and not future.running() and not future.cancelled() and future.exception() is None
    assert future.code() is grpc.StatusCode.OK and dict(future.trailing_metadata())["done-by"] == "a"


def test_metadata_reaches_the_server(world) -> None:
    greeter = world.greeter("a")
    world.stub(greeter).Hello(HelloRequest(), metadata=(("who", "me"),))
    assert greeter.say.metadata[-1]["who"] == "me"


def test_streams_in_their_three_kinds(world) -> None:
    say = world.stub(world.greeter("a"))
    answers = say.ListHellos(HelloRequest(count=4))
    assert dict(answers.initial_metadata()) == {}
    assert [reply.message for reply in answers] == ["0", "1", "2", "3"]
    assert answers.code() is grpc.StatusCode.OK and answers.done()
    assert say.CollectNames(names("a", "b")).message == "a, b"
    reply, call = say.CollectNames.with_call(names("c"))
    assert reply.message == "c" and call.code() is grpc.StatusCode.OK
    assert say.CollectNames.future(names("d")).result(30).message == "d"
    assert [reply.message for reply in say.Chat(names("a", "b"))] == ["Hello a", "Hello b"]


def test_a_dialogue_in_which_each_request_waits_for_an_answer(world) -> None:
    say = world.stub(world.greeter("a"))
    requests: SimpleQueue[HelloRequest | None] = SimpleQueue()
    answers = say.Chat(iter(requests.get, None))
    for number in range(40):
        requests.put(HelloRequest(name=f"{number}"))
        assert next(answers).message == f"Hello {number}"
    requests.put(None)
    assert list(answers) == []


def test_threads_share_a_channel_and_the_calls_are_spread(world) -> None:
    greeters = [world.greeter(letter) for letter in "abc"]
    say = world.stub(*greeters)
    before = [greeter.say.calls for greeter in greeters]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: say.Hello(HelloRequest()), range(300)))
    counts = [greeter.say.calls - was for greeter, was in zip(greeters, before, strict=True)]
    assert sum(counts) == 300 and min(counts) >= 50


def test_an_answer_of_the_application_is_the_callers(world) -> None:
    say = world.stub(world.greeter("a"), idempotent=ALL)
    with pytest.raises(grpc.RpcError) as failed:
        say.Hello(HelloRequest(name="fail:NOT_FOUND"))
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    assert failed.value.details() == "NOT_FOUND as asked"
    assert dict(failed.value.trailing_metadata())["why"] == "as asked"
    future = say.Hello.future(HelloRequest(name="fail:NOT_FOUND"))
    assert future.exception(5).code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
        future.result()
    assert future.code() is grpc.StatusCode.NOT_FOUND and future.details() == "NOT_FOUND as asked"
    assert future.traceback() is not None


def test_the_default_timeout_and_the_callers(world) -> None:
    greeter = world.greeter("a")
    say = world.stub(greeter, timeout=0.2)
    for call in (
        lambda: say.Hello(HelloRequest(name="hang")),
        lambda: say.Hello.future(HelloRequest(name="hang")).result(),
        lambda: list(say.ListHellos(HelloRequest(name="hang"), timeout=0.2)),
    ):
        with pytest.raises(grpc.RpcError) as failed:
            call()
        assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.mark.parametrize("way", ["call", "with_call", "future", "stream", "requests", "requests future", "chat"])
def test_idempotent_calls_go_elsewhere_after_a_failure(world, way: str) -> None:
    greeters = [world.greeter("a"), world.greeter("b")]
    say = world.stub(*greeters, idempotent=ALL)
    for greeter in greeters:
        greeter.say.calls = 0
    greeters[1].say.calls = 1  # the first call to b goes well
    request = HelloRequest(name="fail once")
    while not any(isinstance(event, AttemptFailed) for event in world.events):  # until one begins with a
        match way:
            case "call":
                assert say.Hello(request).served_by
            case "with_call":
                assert say.Hello.with_call(request)[1].code() is grpc.StatusCode.OK
            case "future":
                assert say.Hello.future(request).result(30).served_by
            case "stream":
                assert len(list(say.ListHellos(request))) == 3
            case "requests":
                assert say.CollectNames(names("x", "fail once", "y")).message == "x, fail once, y"
            case "requests future":
                assert say.CollectNames.future(names("x", "fail once")).result(30).message == "x, fail once"
            case "chat":
                assert len(list(say.Chat(names("fail once", "x")))) == 2
    assert [event.retrying for event in world.events if isinstance(event, AttemptFailed)] == [True]


def test_what_is_not_idempotent_is_sent_once(world) -> None:
    greeter = world.greeter("a")
    say = world.stub(greeter)
    for call in (
        lambda: say.Hello(HelloRequest(name="fail:UNAVAILABLE")),
        lambda: say.Hello.future(HelloRequest(name="fail:UNAVAILABLE")).result(),
    ):
        before = greeter.say.calls
        with pytest.raises(grpc.RpcError, match="as asked"):
            call()
        assert greeter.say.calls == before + 1


def test_a_stream_is_not_sent_again_once_something_was_read(world) -> None:
    greeter = world.greeter("a")
    say = world.stub(greeter, idempotent=ALL)
    before = greeter.say.calls
    answers = say.ListHellos(HelloRequest(name="fail after"))
    assert [next(answers).message for _ in range(3)] == ["0", "1", "2"]
    with pytest.raises(grpc.RpcError) as failed:
        next(answers)
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE and answers.code() is grpc.StatusCode.UNAVAILABLE
    assert greeter.say.calls == before + 1


def test_attempts_end_with_the_error_of_the_last(world) -> None:
    greeter = world.greeter("a")
    say = world.stub(greeter, idempotent=ALL)
    before = greeter.say.calls
    with pytest.raises(grpc.RpcError) as failed:
        say.Hello(HelloRequest(name="fail:UNAVAILABLE"))
    assert failed.value.code() is grpc.StatusCode.UNAVAILABLE
    assert greeter.say.calls == before + 3


@pytest.mark.parametrize("way", ["call", "future", "stream", "requests"])
def test_nobody_there_fails_fast_with_the_reason(world, way: str) -> None:
    say = SayStub(world.client().channel("nobody"))
    with pytest.raises(grpc.RpcError, match="the registry knows nobody") as failed:
        match way:
            case "call":
                say.Hello(HelloRequest())
            case "future":
                say.Hello.future(HelloRequest()).result(30)
            case "stream":
                next(say.ListHellos(HelloRequest()))
            case "requests":
                say.CollectNames(names("x"))
    error = failed.value
    assert error.code() is grpc.StatusCode.UNAVAILABLE and "nobody" in error.details()
    assert isinstance(error.__cause__, NoInstances)
    assert error.done() and error.exception() is error and error.trailing_metadata() == ()
    with pytest.raises(grpc.RpcError):
        error.result()


def test_wait_for_ready_waits_for_somebody_to_come(world) -> None:
    say = SayStub(world.client().channel("greeter"))
    future = say.Hello.future(HelloRequest(name="x"), wait_for_ready=True)
    answers = say.ListHellos(HelloRequest(), wait_for_ready=True)
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(say.Hello, HelloRequest(name="y"), wait_for_ready=True)
        world.book.know(world.greeter("a"))
        assert waiting.result(30).message == "Hello y"
    assert future.result(30).message == "Hello x"
    assert next(answers).message == "0"


def test_waiting_ends_with_the_deadline(world) -> None:
    say = SayStub(world.client().channel("greeter"))
    with pytest.raises(grpc.RpcError) as failed:
        say.Hello(HelloRequest(), wait_for_ready=True, timeout=0.1)
    assert failed.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_future_can_be_cancelled(world, until) -> None:
    greeter = world.greeter("a")
    say = world.stub(greeter)
    future = say.Hello.future(HelloRequest(name="hang"))
    assert greeter.say.hanging.wait(30)
    with pytest.raises(grpc.FutureTimeoutError):
        future.result(0.01)
    assert future.is_active() and future.time_remaining() > 0
    assert future.cancel() and not future.cancel()
    until(future.done)
    assert future.cancelled() and future.code() is grpc.StatusCode.CANCELLED
    with pytest.raises(grpc.FutureCancelledError):
        future.result()
    assert greeter.say.gone.wait(30)


def test_a_future_that_finds_nobody_yet_can_be_cancelled(world) -> None:
    say = SayStub(world.client().channel("greeter"))
    future = say.Hello.future(HelloRequest(), wait_for_ready=True)
    assert future.cancel() and future.cancelled() and future.code() is grpc.StatusCode.CANCELLED
    answers = say.ListHellos(HelloRequest(), wait_for_ready=True)
    assert answers.cancel()
    with pytest.raises(grpc.RpcError) as failed:
        next(answers)
    assert failed.value.code() is grpc.StatusCode.CANCELLED


def test_a_stream_can_be_cancelled(world) -> None:
    greeter = world.greeter("a")
    answers = world.stub(greeter).ListHellos(HelloRequest(name="hang"))
    assert [next(answers).message for _ in range(3)] == ["0", "1", "2"]
    greeter.say.gone.clear()
    assert answers.cancel()
    with pytest.raises(grpc.RpcError) as failed:
        next(answers)
    assert failed.value.code() is grpc.StatusCode.CANCELLED
    assert greeter.say.gone.wait(30)


def test_a_stream_that_is_dropped_ends_at_the_server(world) -> None:
    greeter = world.greeter("a")
    say = world.stub(greeter)
    greeter.say.gone.clear()
    for reply in say.ListHellos(HelloRequest(name="hang")):
        assert reply.message == "0"
        break
    assert greeter.say.gone.wait(30)


def test_callbacks_are_called_where_they_may_call_again(world) -> None:
    say = world.stub(world.greeter("a"))
    heard: SimpleQueue[str] = SimpleQueue()
    future = say.Hello.future(HelloRequest(name="x"))
    future.add_done_callback(lambda done: heard.put(say.Hello(HelloRequest(name=done.result().message)).message))
    assert heard.get(timeout=30) == "Hello Hello x"
    future.add_done_callback(lambda done: heard.put("at once"))
    assert heard.get(timeout=30) == "at once"
    assert not future.add_callback(lambda: None), "it is over"


def test_callbacks_of_a_call_that_never_found_anybody(world) -> None:
    say = SayStub(world.client().channel("greeter"))
    heard: SimpleQueue[threading.Thread] = SimpleQueue()
    future = say.Hello.future(HelloRequest(), wait_for_ready=True, timeout=0.05)
    future.add_done_callback(lambda done: heard.put(threading.current_thread()))
    assert heard.get(timeout=30).name != "muster", "the loop's own thread must not run what a user wrote"


def test_requests_that_fail_end_the_call(world) -> None:
    say = world.stub(world.greeter("a"))

    def failing() -> Iterator[HelloRequest]:
        yield HelloRequest(name="x")
        raise RuntimeError("out of names")

    with pytest.raises(grpc.RpcError) as failed:
        say.CollectNames(failing())
    assert failed.value.code() is grpc.StatusCode.UNKNOWN


def test_a_request_that_is_no_message(world) -> None:
    say = world.stub(world.greeter("a"))
    for call in (
        lambda: say.Hello("no message"),
        lambda: say.Hello.future("no message").result(30),
        lambda: next(say.ListHellos("no message")),
    ):
        with pytest.raises(grpc.RpcError) as failed:
            call()
        assert failed.value.code() is grpc.StatusCode.INTERNAL
    assert say.Hello(HelloRequest(name="x")).message == "Hello x"


def test_without_retries_each_failure_is_the_callers(world) -> None:
    greeter = world.greeter("a")
    say = world.stub(greeter, idempotent=ALL, retry=NO_RETRIES)
    before = greeter.say.calls
    with pytest.raises(grpc.RpcError):
        say.Hello(HelloRequest(name="fail:UNAVAILABLE"))
    assert greeter.say.calls == before + 1
