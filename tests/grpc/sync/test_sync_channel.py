"""A sync channel as a grpc.Channel: its state, its end, interceptors, and what tracing libraries do to it."""

from __future__ import annotations

import threading
from collections import namedtuple
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from queue import SimpleQueue
from typing import Any

import grpc
import pytest
import trustme
from greeter_pb2 import HelloRequest
from greeter_pb2_grpc import SayStub

from muster.grpc.transport import Dialing


def names(*given: str) -> Iterator[HelloRequest]:
    return (HelloRequest(name=name) for name in given)


def test_ready_when_somebody_is(world) -> None:
    channel = world.client().channel("greeter")
    ready = grpc.channel_ready_future(channel)
    with pytest.raises(grpc.FutureTimeoutError):
        ready.result(0.05)
    world.book.know(world.greeter("a"))
    ready.result(30)


def test_subscribers_hear_of_every_state(world) -> None:
    channel = world.client().channel("greeter")
    heard: SimpleQueue[grpc.ChannelConnectivity] = SimpleQueue()
    channel.subscribe(heard.put, try_to_connect=True)
    greeter = world.greeter("a")
    world.book.know(greeter)
    while heard.get(timeout=30) is not grpc.ChannelConnectivity.READY:
        pass
    greeter.serving(False)
    assert heard.get(timeout=30) is grpc.ChannelConnectivity.TRANSIENT_FAILURE
    channel.unsubscribe(heard.put)
    channel.unsubscribe(heard.put)


def test_a_subscriber_that_raises_harms_nobody(world, caplog: pytest.LogCaptureFixture, until) -> None:
    channel = world.client().channel("greeter")
    channel.subscribe(lambda state: 1 / 0)
    until(lambda: "ZeroDivisionError" in caplog.text)
    world.book.know(world.greeter("a"))
    assert SayStub(channel).Hello(HelloRequest(), wait_for_ready=True).served_by == "a"


def test_the_same_channel_for_the_same_name(world) -> None:
    client = world.client()
    assert client.channel("greeter") is client.channel("greeter")
    assert client.channel("greeter") is not client.channel("other")


def test_a_closed_channel_takes_no_calls(world) -> None:
    greeter = world.greeter("a")
    client = world.client()
    world.book.know(greeter)
    with client.channel("greeter") as channel:
        say = SayStub(channel)
        say.Hello(HelloRequest(), wait_for_ready=True)
    for call in (say.Hello, say.Hello.future, say.ListHellos):
        with pytest.raises(ValueError, match="closed"):
            call(HelloRequest())


def test_closing_the_client_ends_calls_under_way(world, until) -> None:
    greeter = world.greeter("a")
    client = world.client()
    world.book.know(greeter)
    say = SayStub(client.channel("greeter"))
    say.Hello(HelloRequest(), wait_for_ready=True)
    nobody = SayStub(client.channel("nobody"))
    with ThreadPoolExecutor(2) as threads:
        blocked = threads.submit(say.Hello, HelloRequest(name="hang"))
        assert greeter.say.hanging.wait(30)
        future = say.Hello.future(HelloRequest(name="hang"))
        waiting = threads.submit(nobody.Hello, HelloRequest(), wait_for_ready=True)
        until(lambda: nobody.Hello._bound)
        answers = say.ListHellos(HelloRequest(name="hang"))
        assert next(answers).message == "0"
        client.close()
        for call in (blocked, waiting):
            error = call.exception(5)
            assert isinstance(error, grpc.RpcError) and error.code() is grpc.StatusCode.CANCELLED
        assert future.code() is grpc.StatusCode.CANCELLED
        with pytest.raises(grpc.RpcError):
            list(answers)
    with pytest.raises(RuntimeError, match="not open"):
        client.channel("greeter")


class Details(
    namedtuple("Details", "method timeout metadata credentials wait_for_ready compression"), grpc.ClientCallDetails
):
    """grpc's own class for it is private."""


class Adding(
    grpc.UnaryUnaryClientInterceptor,
    grpc.UnaryStreamClientInterceptor,
    grpc.StreamUnaryClientInterceptor,
    grpc.StreamStreamClientInterceptor,
):
    """Adds metadata, and counts."""

    def __init__(self) -> None:
        self.methods: list[str] = []

    def intercept_unary_unary(self, continuation: Any, details: Any, request: Any) -> Any:
        self.methods.append(details.method)
        metadata = (*(details.metadata or ()), ("added", "yes"))
        return continuation(details._replace(metadata=metadata), request)

    intercept_unary_stream = intercept_stream_unary = intercept_stream_stream = intercept_unary_unary


@pytest.mark.parametrize("where", ["the channel by name", "each instance's"])
def test_interceptors(world, where: str) -> None:
    adding = Adding()
    greeter = world.greeter("a")
    within = where == "each instance's"
    client = world.client(dialing=Dialing(interceptors=(adding,)) if within else None)
    world.book.know(greeter)
    channel = client.channel("greeter") if within else grpc.intercept_channel(client.channel("greeter"), adding)
    say = SayStub(channel)
    assert say.Hello(HelloRequest(name="x"), wait_for_ready=True).message == "Hello x"
    assert say.Hello.with_call(HelloRequest(name="x"))[0].message == "Hello x"
    assert say.Hello.future(HelloRequest(name="x")).result(30).message == "Hello x"
    assert len(list(say.ListHellos(HelloRequest()))) == 3
    assert say.CollectNames(names("a", "b")).message == "a, b"
    assert say.CollectNames.future(names("a", "b")).result(30).message == "a, b"
    assert len(list(say.Chat(names("a", "b")))) == 2
    assert all(metadata.get("added") == "yes" for metadata in greeter.say.metadata) and greeter.say.calls == 7
    with pytest.raises(grpc.RpcError) as failed:
        say.Hello(HelloRequest(name="fail:NOT_FOUND"))
    assert failed.value.code() is grpc.StatusCode.NOT_FOUND
    with pytest.raises(grpc.RpcError, match="knows nobody"):
        nobody = client.channel("nobody")
        SayStub(nobody if within else grpc.intercept_channel(nobody, adding)).Hello(HelloRequest())


class Opaque(grpc.Channel):
    """What a tracing library may make of a channel: nobody can look into it."""

    def __init__(self, inner: grpc.Channel) -> None:
        self.inner = inner

    def subscribe(self, callback: Any, try_to_connect: bool = False) -> None:
        self.inner.subscribe(callback, try_to_connect)

    def unsubscribe(self, callback: Any) -> None:
        self.inner.unsubscribe(callback)

    def unary_unary(self, method: str, *codec: Any, **named: Any) -> Any:
        return self.inner.unary_unary(method, *codec, **named)

    def unary_stream(self, method: str, *codec: Any, **named: Any) -> Any:
        return self.inner.unary_stream(method, *codec, **named)

    def stream_unary(self, method: str, *codec: Any, **named: Any) -> Any:
        return self.inner.stream_unary(method, *codec, **named)

    def stream_stream(self, method: str, *codec: Any, **named: Any) -> Any:
        return self.inner.stream_stream(method, *codec, **named)

    def close(self) -> None:
        self.inner.close()

    __enter__ = __exit__ = close


def test_channels_that_cannot_be_looked_into(world, monkeypatch: pytest.MonkeyPatch) -> None:
    make = grpc.insecure_channel
    monkeypatch.setattr(grpc, "insecure_channel", lambda *given, **named: Opaque(make(*given, **named)))
    greeters = [world.greeter("a"), world.greeter("b")]
    say = world.stub(*greeters, idempotent={"*"})
    assert {say.Hello(HelloRequest()).served_by for _ in range(40)} == {"a", "b"}
    greeters[0].stop()
    assert {say.Hello(HelloRequest()).served_by for _ in range(40)} == {"b"}


def test_tls(world) -> None:
    authority = trustme.CA()
    certificate = authority.issue_cert("127.0.0.1")
    pair = certificate.private_key_pem.bytes(), certificate.cert_chain_pems[0].bytes()
    greeter = world.greeter("a", credentials=grpc.ssl_server_credentials([pair]))
    trusting = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    say = world.stub(greeter, dialing=Dialing(credentials=trusting))
    token = grpc.access_token_call_credentials("secret")
    assert say.Hello(HelloRequest(name="x"), credentials=token).served_by == "a"
    assert greeter.say.metadata[-1]["authorization"] == "Bearer secret"
    with pytest.raises(grpc.RpcError, match="no instance"):
        SayStub(world.client().channel("greeter")).Hello(HelloRequest(), timeout=30)


def test_opentelemetry_sees_calls_and_no_health_checks(world) -> None:
    from opentelemetry import trace
    from opentelemetry.instrumentation.grpc import GrpcInstrumentorClient
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import SimpleSpanProcessor
    from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

    spans = InMemorySpanExporter()
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(spans))
    trace.set_tracer_provider(provider)
    instrumentor = GrpcInstrumentorClient()
    instrumentor.instrument()
    try:
        greeter = world.greeter("a")
        say = world.stub(greeter)
        say.Hello(HelloRequest(name="x"))
        say.Hello.future(HelloRequest(name="x")).result(30)
        say.Hello.with_call(HelloRequest(name="x"))
        assert len(list(say.ListHellos(HelloRequest()))) == 3
        assert len(list(say.Chat(names("a", "b")))) == 2
        assert say.CollectNames(names("a", "b")).message == "a, b"
        with pytest.raises(grpc.RpcError):
            say.Hello(HelloRequest(name="fail:NOT_FOUND"))
    finally:
        instrumentor.uninstrument()
    traced = {span.name for span in spans.get_finished_spans()}
    assert traced == {"/greeter.Say/Hello", "/greeter.Say/ListHellos", "/greeter.Say/Chat", "/greeter.Say/CollectNames"}
    assert any("traceparent" in metadata for metadata in greeter.say.metadata)


SENTRY: dict[str, Any] = {"traces_sample_rate": 1.0, "default_integrations": False}


def test_sentry_sees_calls(world, monkeypatch: pytest.MonkeyPatch) -> None:
    import sentry_sdk
    from sentry_sdk.integrations.grpc import GRPCIntegration
    from sentry_sdk.transport import Transport

    sent: list[Any] = []

    class Keeping(Transport):
        def capture_envelope(self, envelope: Any) -> None:
            sent.extend(item.get_transaction_event() for item in envelope.items)

    for module, name in ((grpc, "insecure_channel"), (grpc, "secure_channel"), (grpc, "intercept_channel")):
        monkeypatch.setattr(module, name, getattr(module, name))  # put back afterwards
    for name in ("insecure_channel", "secure_channel", "server"):
        monkeypatch.setattr(grpc.aio, name, getattr(grpc.aio, name))
    monkeypatch.setattr(grpc, "server", grpc.server)
    greeter = world.greeter("a")
    GRPCIntegration.setup_once()
    with sentry_sdk.isolation_scope() as scope:
        scope.set_client(sentry_sdk.Client(transport=Keeping, dsn="http://key@127.0.0.1/1", **SENTRY))
        with sentry_sdk.start_transaction(name="t"):
            say = world.stub(greeter)
            say.Hello(HelloRequest(name="x"))
            assert len(list(say.ListHellos(HelloRequest()))) == 3
    spans = {span["description"] for event in sent if event for span in event["spans"]}
    assert "unary unary call to /greeter.Say/Hello" in spans
    assert "unary stream call to /greeter.Say/ListHellos" in spans
    assert any("sentry-trace" in metadata for metadata in greeter.say.metadata)


def test_threads_that_block_in_callbacks_hold_nobody_up(world) -> None:
    client = world.client()
    say = SayStub(client.channel("greeter"))
    blocking, release = threading.Event(), threading.Event()
    futures = [say.Hello.future(HelloRequest(), wait_for_ready=True) for _ in range(20)]
    for future in futures:
        future.add_done_callback(lambda _: blocking.set() or release.wait(60))
    world.book.know(world.greeter("a"))
    try:
        assert blocking.wait(30)
        assert say.Hello(HelloRequest(name="x"), timeout=30).message == "Hello x"
    finally:
        release.set()
    assert [future.result(30).served_by for future in futures] == ["a"] * 20
