"""What a program offers, collected from generated code; and its certificate."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import pytest
import trustme
from greeter_pb2 import HelloReply, HelloRequest
from greeter_pb2_grpc import SayServicer, SayStub, add_SayServicer_to_server

from muster.grpc.offered import Offered
from muster.grpc.server import GRPCServer
from muster.model.endpoint import Endpoint
from muster.model.errors import BadConfiguration, Rejected
from muster.model.events import RegistrationState
from muster.serve.health import HealthState
from muster.serve.settings import TLS, Limits
from muster.serve.standing import Standing

pytestmark = pytest.mark.anyio

REQUEST, REPLY = "greeter.HelloRequest", "greeter.HelloReply"


class Say(SayServicer):
    async def Hello(self, request: HelloRequest, context: Any) -> HelloReply:
        if request.name == "raise":
            raise ValueError("xyzzy")
        return HelloReply(message=f"Hello, {request.name}!")


def add_as_before_1_65(servicer: Any, server: Any) -> None:
    """As grpcio-tools before 1.65 generates it."""
    handlers = {
        "Hello": grpc.unary_unary_rpc_method_handler(
            servicer.Hello, HelloRequest.FromString, HelloReply.SerializeToString
        )
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("greeter.Say", handlers),))


def add_undescribed(servicer: Any, server: Any) -> None:
    """Written by hand, without a proto."""
    handlers = {"Hello": grpc.unary_stream_rpc_method_handler(servicer.Hello)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("byhand.Say", handlers),))
    server.add_registered_method_handlers("byhand.Say", handlers)


def server_of(offered: Offered, tls: TLS | None = None) -> GRPCServer:
    return GRPCServer(offered, HealthState((), Standing(RegistrationState.OFF)), Limits(), tls, ())


def test_endpoints_with_their_types() -> None:
    offered = Offered()
    offered.add(add_SayServicer_to_server, Say())
    assert offered.services == ("greeter.Say",)
    assert offered.endpoints == (
        Endpoint("/greeter.Say/Hello", REQUEST, REPLY),
        Endpoint("/greeter.Say/ListHellos", REQUEST, REPLY, server_streaming=True),
        Endpoint("/greeter.Say/CollectNames", REQUEST, REPLY, client_streaming=True),
        Endpoint("/greeter.Say/Chat", REQUEST, REPLY, client_streaming=True, server_streaming=True),
    )


def test_endpoints_without_a_proto() -> None:
    offered = Offered()
    offered.add(add_undescribed, Say())
    assert offered.endpoints == (Endpoint("/byhand.Say/Hello", server_streaming=True),)


async def test_code_generated_by_an_older_grpcio() -> None:
    offered = Offered()
    offered.add(add_as_before_1_65, Say())
    assert [endpoint.short for endpoint in offered.endpoints][:1] == ["Say.Hello"]
    server = server_of(offered)
    port = await server.listen("127.0.0.1", 0)
    await server.serve()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert (await SayStub(channel).Hello(HelloRequest(name="b"))).message == "Hello, b!"
        with pytest.raises(grpc.aio.AioRpcError, match="the service's log says why"):
            await SayStub(channel).Hello(HelloRequest(name="raise"))
    await server.stop(0)


class Decorated:
    """What some decorators leave in the place of a method."""

    async def __call__(self, request: HelloRequest, context: Any) -> HelloReply:
        return HelloReply(message="decorated")


@pytest.mark.parametrize("method", [Decorated(), partial(Say.Hello, Say())], ids=["object", "partial"])
async def test_methods_that_are_no_functions(method: Any) -> None:
    servicer = Say()
    servicer.Hello = method  # type: ignore[method-assign]
    offered = Offered()
    offered.add(add_SayServicer_to_server, servicer)
    server = server_of(offered)
    port = await server.listen("127.0.0.1", 0)
    await server.serve()
    async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
        assert (await SayStub(channel).Hello(HelloRequest(name="b"))).message
    await server.stop(0)


@pytest.mark.parametrize(
    ("adder", "servicer", "says"),
    [
        (add_SayServicer_to_server, Say, r"write Say\(\)"),
        (add_SayServicer_to_server, object(), "add_SayServicer_to_server cannot add object"),
        (Say(), add_SayServicer_to_server, "cannot add function"),
        (lambda servicer, server: None, Say(), "adds no service"),
        (lambda servicer, server: server.start(), Say(), "no attribute 'start'"),
    ],
)
def test_what_cannot_be_added(adder: Any, servicer: Any, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        Offered().add(adder, servicer)


def test_a_service_that_was_added_before() -> None:
    offered = Offered()
    offered.add(add_SayServicer_to_server, Say())
    with pytest.raises(Rejected, match=r"greeter\.Say has been added before"):
        offered.add(add_SayServicer_to_server, Say())


class Certificates:
    """A server's and a client's, as PEM files and bytes."""

    def __init__(self, folder: Path) -> None:
        authority = trustme.CA()
        server, client = authority.issue_cert("127.0.0.1"), authority.issue_cert("client.example")
        self.ca = folder / "ca.pem"
        self.certificate, self.key = folder / "server.pem", folder / "server.key"
        authority.cert_pem.write_to_path(str(self.ca))
        server.cert_chain_pems[0].write_to_path(str(self.certificate))
        server.private_key_pem.write_to_path(str(self.key))
        self.client = client.private_key_pem.bytes(), client.cert_chain_pems[0].bytes()


@pytest.fixture
def certificates(tmp_path: Path) -> Certificates:
    return Certificates(tmp_path)


async def _hello(port: int, credentials: grpc.ChannelCredentials) -> str:
    async with grpc.aio.secure_channel(f"127.0.0.1:{port}", credentials) as channel:
        return str((await SayStub(channel).Hello(HelloRequest(name="b"), timeout=30)).message)


async def test_tls(certificates: Certificates) -> None:
    offered = Offered()
    offered.add(add_SayServicer_to_server, Say())
    server = server_of(offered, TLS(certificates.certificate, certificates.key))
    port = await server.listen("127.0.0.1", 0)
    await server.serve()
    assert await _hello(port, grpc.ssl_channel_credentials(certificates.ca.read_bytes())) == "Hello, b!"
    await server.stop(0)


async def test_callers_that_must_show_a_certificate(certificates: Certificates) -> None:
    offered = Offered()
    offered.add(add_SayServicer_to_server, Say())
    server = server_of(offered, TLS(certificates.certificate, certificates.key, certificates.ca))
    port = await server.listen("127.0.0.1", 0)
    await server.serve()
    ca = certificates.ca.read_bytes()
    assert await _hello(port, grpc.ssl_channel_credentials(ca, *certificates.client)) == "Hello, b!"
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await _hello(port, grpc.ssl_channel_credentials(ca))
    assert raised.value.code() is grpc.StatusCode.UNAVAILABLE
    await server.stop(0)


async def test_a_certificate_that_is_not_there(certificates: Certificates, tmp_path: Path) -> None:
    missing = tmp_path / "missing.pem"
    server = server_of(Offered(), TLS(missing, certificates.key))
    with pytest.raises(BadConfiguration, match=r"missing\.pem' cannot be read: No such file"):
        await server.listen("127.0.0.1", 0)


@pytest.mark.parametrize("wrong", ["certificate", "key", "client_ca"])
async def test_a_file_that_is_no_certificate(certificates: Certificates, tmp_path: Path, wrong: str) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("not a certificate")
    right = TLS(certificates.certificate, certificates.key, certificates.ca)
    server = server_of(Offered(), replace(right, **{wrong: nonsense}))
    with pytest.raises(BadConfiguration, match=r"nonsense\.pem'.* in PEM form"):
        await server.listen("127.0.0.1", 0)
