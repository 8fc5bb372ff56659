"""Typed clients for threads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any, Protocol

import anyio
import pytest
from tests.app.typed.conftest import Greeter, HelloReply, HelloRequest
from tests.app.typed.conftest import Say as AsyncSay

import muster
from muster.registry.static import Static

pytestmark = pytest.mark.anyio


class Say(Protocol):
    def hello(self, request: HelloRequest) -> HelloReply: ...

    def list_hellos(self, request: HelloRequest) -> Iterator[HelloReply]: ...

    def ping(self) -> None: ...


class Sending(Protocol):
    def collect(self, names: Iterator[str]) -> list[str]: ...


@pytest.fixture(params=["greeter", "greeter-http"], ids=["grpc", "http"])
async def in_thread(greeter: Greeter, request: pytest.FixtureRequest) -> Any:
    """Runs work in a thread, on a sync client that finds the greeter."""

    registry = Static({instance.service: [instance] for instance in greeter.service.instances})

    def in_client(work: Callable[[Say], Any]) -> Any:
        with muster.sync.Client(registry) as client:
            return work(client.service(Say, request.param))

    return lambda work: anyio.to_thread.run_sync(in_client, work)


async def test_a_call(in_thread: Any) -> None:
    assert await in_thread(lambda say: say.hello(HelloRequest("world"))) == HelloReply("Hello world")
    assert await in_thread(lambda say: say.ping()) is None


async def test_a_stream_of_replies(in_thread: Any) -> None:
    messages = await in_thread(lambda say: [each.message for each in say.list_hellos(HelloRequest("x", 3))])
    assert messages == ["0 x", "1 x", "2 x"]


async def test_a_fault_keeps_its_code(in_thread: Any) -> None:
    with pytest.raises(muster.Fault, match="NOT_FOUND: nobody of that name"):
        await in_thread(lambda say: say.hello(HelloRequest("nobody")))
    with pytest.raises(muster.Fault, match="NOT_FOUND: nobody of that name"):
        await in_thread(lambda say: list(say.list_hellos(HelloRequest("after nobody"))))


async def test_a_stream_that_is_left_ends_there_too(in_thread: Any, greeter: Greeter) -> None:
    def work(say: Say) -> Any:
        stream = say.list_hellos(HelloRequest("after wait", 1))
        first = next(stream).message
        stream.close()  # type: ignore[attr-defined]
        end = time.monotonic() + 10
        while not greeter.notes.cancelled.is_set() and time.monotonic() < end:
            time.sleep(0.01)
        return first

    assert await in_thread(work) == "0 after wait"
    assert greeter.notes.cancelled.is_set()


async def test_what_is_not_for_threads_is_refused() -> None:
    with muster.sync.Client("memory://sync typed") as client:
        with pytest.raises(muster.Rejected, match=r"Sending.Collect takes a stream"):
            client.service(Sending, "greeter")
        with pytest.raises(muster.Rejected, match=r"Say.broken is async: for threads write a Protocol"):
            client.service(AsyncSay, "greeter")
        assert repr(client.service(Say, "greeter")) == "<Say of 'greeter', for threads>"
