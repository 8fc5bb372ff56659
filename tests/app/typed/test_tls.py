"""Typed handlers and clients with certificates."""

from __future__ import annotations

from pathlib import Path

import grpc
import pytest
import trustme

import muster
from muster.grpc.transport import Dialing
from muster.http.client.dialing import Dialing as HTTPDialing
from muster.registry.memory import Memory

pytestmark = pytest.mark.anyio


class Echo:
    async def echo(self, text: str) -> str:
        return text


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def tls(authority: trustme.CA, tmp_path: Path) -> muster.TLS:
    issued = authority.issue_cert("localhost", "127.0.0.1", "echo-http")
    issued.cert_chain_pems[0].write_to_path(tmp_path / "cert.pem")
    issued.private_key_pem.write_to_path(tmp_path / "key.pem")
    return muster.TLS(tmp_path / "cert.pem", tmp_path / "key.pem")


async def test_both_protocols_are_encrypted(authority: trustme.CA, tls: muster.TLS) -> None:
    import ssl

    registry = Memory("typed tls")
    service = muster.Service("echo", registry=registry, tls=tls, timing=muster.Timing(drain=0.0))
    service.handler(Echo)
    context = ssl.create_default_context()
    authority.configure_trust(context)
    credentials = grpc.ssl_channel_credentials(authority.cert_pem.bytes())
    dialing = {"dialing": Dialing(credentials), "http": HTTPDialing(tls=context)}
    async with service.running(), muster.Client(registry, **dialing) as client:  # type: ignore[arg-type]
        for name in ("echo", "echo-http"):
            assert await client.service(Echo, name).echo("x") == "x"
    async with service.running(), muster.Client(registry) as client:
        with pytest.raises(muster.MusterError):
            await client.service(Echo, "echo-http", timeout=2).echo("x")


async def test_files_that_are_no_certificate_are_named(tmp_path: Path) -> None:
    (tmp_path / "cert.pem").write_text("nothing")
    files = muster.TLS(tmp_path / "cert.pem", tmp_path / "key.pem")
    service = muster.Service("echo", register="off", tls=files, protocols=["http"])
    service.handler(Echo)
    with pytest.raises(muster.BadConfiguration, match=r"cert\.pem"):
        async with service.running():
            pass
