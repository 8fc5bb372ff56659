"""DNS over real sockets: what clients send, and what strangers do."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import dns.asyncquery
import dns.flags
import dns.message
import dns.rcode
import pytest
from tests.asking import ask as ask

from muster.agent import Agent
from muster.agent.dns import server
from muster.agent.dns.settings import DNS
from muster.model.errors import BadConfiguration

pytestmark = pytest.mark.anyio

WEB = dns.message.make_query("web.service.consul", "A")


@asynccontextmanager
async def answering(ask: Any, settings: DNS | str = "127.0.0.1:0", instances: int = 3) -> AsyncIterator[int]:
    """The port of an agent that knows so many instances of `web`."""
    async with Agent("127.0.0.1:0", dns=settings) as agent:
        for number in range(1, instances + 1):
            body = {"Name": "web", "ID": f"w{number}", "Address": f"10.0.{number >> 8}.{number & 255}", "Port": 80}
            await ask(agent.address, "PUT", "/v1/agent/service/register", body)
        assert agent.dns_address is not None
        yield int(agent.dns_address.rpartition(":")[2])


async def udp(port: int, message: dns.message.Message) -> dns.message.Message:
    return await dns.asyncquery.udp(message, "127.0.0.1", timeout=10, port=port)


async def tcp(port: int, message: dns.message.Message) -> dns.message.Message:
    return await dns.asyncquery.tcp(message, "127.0.0.1", timeout=10, port=port)


def addresses(reply: dns.message.Message) -> set[str]:
    return {rdata.to_text() for rrset in reply.answer for rdata in rrset}


async def test_by_udp_and_by_tcp(ask: Any) -> None:
    async with answering(ask) as port:
        for send in (udp, tcp):
            assert addresses(await send(port, WEB)) == {"10.0.0.1", "10.0.0.2", "10.0.0.3"}


async def test_an_answer_is_as_long_as_the_client_takes(ask: Any) -> None:
    query = dns.message.make_query("web.service.consul", "SRV")
    big = dns.message.make_query("web.service.consul", "SRV", use_edns=0, payload=1232)
    async with answering(ask, DNS("127.0.0.1:0", enable_truncate=True), instances=40) as port:
        small, medium, whole = await udp(port, query), await udp(port, big), await tcp(port, query)
    assert [len(each.answer[0]) for each in (small, medium, whole)] == [3, 17, 40]
    assert small.flags & medium.flags & dns.flags.TC and not whole.flags & dns.flags.TC
    assert len(medium.to_wire()) <= 1232


async def test_many_questions_on_one_connection(ask: Any) -> None:
    messages = [dns.message.make_query("web.service.consul", "A") for _ in range(400)]
    async with answering(ask) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"".join(message.to_wire(prepend_length=True) for message in messages))
        replies = [await received(reader) for _ in messages]
        writer.write(messages[0].to_wire(prepend_length=True)[:7])
        await writer.drain()
        writer.write(messages[0].to_wire(prepend_length=True)[7:])
        replies.append(await received(reader))
        writer.close()
    assert [reply.id for reply in replies] == [message.id for message in [*messages, messages[0]]]


async def received(reader: asyncio.StreamReader) -> dns.message.Message:
    return dns.message.from_wire(await reader.readexactly(int.from_bytes(await reader.readexactly(2))))


async def test_who_is_silent_or_speaks_no_dns_is_left(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with answering(ask) as port:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x00\x05hello")
        assert await reader.read() == b""
        writer.close()
        monkeypatch.setattr(server, "IDLE_SECONDS", 0.05)
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\x00")
        assert await reader.read() == b""
        writer.close()


async def test_there_are_so_many_connections_and_no_more(ask: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_CONNECTIONS", 2)
    async with answering(ask) as port:
        writers = [(await asyncio.open_connection("127.0.0.1", port))[1] for _ in range(2)]
        assert await tried(port) == b""
        writers[0].close()
        async with asyncio.timeout(30):
            while await tried(port) == b"":
                await asyncio.sleep(0.01)
        writers[1].close()


async def tried(port: int) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(WEB.to_wire(prepend_length=True))
        return await reader.read(2)
    except ConnectionError:
        return b""
    finally:
        writer.close()


@pytest.mark.parametrize(
    ("wire", "code"),
    [
        (b"", None),
        (b"\x12\x34", None),
        (b"\x12\x34\x81\x00" + WEB.to_wire()[4:], None),
        (b"\x12\x34\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00", "FORMERR"),
        (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00", "FORMERR"),
        (b"\x12\x34\x01\x00\x00\x01\x00\x00\x00\x00\x00\x00\xc0\x0c\x00\x01\x00\x01", "FORMERR"),
        (b"\x12\x34\x11\x00" + WEB.to_wire()[4:], "NOTIMP"),
        (b"\x12\x34\x29\x00" + WEB.to_wire()[4:], "NOTIMP"),
        (b"\x12\x34" + WEB.to_wire()[2:4] + b"\x00\x02" + WEB.to_wire()[6:], "FORMERR"),
    ],
)
async def test_what_is_no_question(ask: Any, wire: bytes, code: str | None) -> None:
    async with answering(ask) as port, Asker(port) as asker:
        asker.send(wire)
        asker.send(WEB.to_wire())
        first = dns.message.from_wire(await asker.reply())
        assert dns.rcode.to_text(first.rcode()) == (code or "NOERROR")


async def test_strangers_bytes_end_nothing_and_hold_up_nobody(ask: Any) -> None:
    """3,000 packets, most of them spoilt questions, while another client asks."""
    rng = Random(1035)
    async with answering(ask, instances=30) as port, Asker(port) as stranger:
        slowest = 0.0
        for _ in range(30):
            for _ in range(100):
                stranger.send(spoilt(rng))
            begun = asyncio.get_running_loop().time()
            assert len(addresses(await udp(port, WEB))) == 3
            slowest = max(slowest, asyncio.get_running_loop().time() - begun)
        for wire in stranger.replies():
            dns.message.from_wire(wire)
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(rng.randbytes(4000))
        assert addresses(await tcp(port, WEB))
        writer.close()
    assert slowest < 5


def spoilt(rng: Random) -> bytes:
    name = rng.choice(("web.service.consul", "here.node.consul", "1.0.0.127.in-addr.arpa", "q.query.consul", "a.b"))
    kind = rng.choice(("A", "SRV", "ANY", "SOA", "TXT", "OPT"))
    payload = rng.choice((0, 512, 1232, 65535))
    wire = bytearray(dns.message.make_query(name, kind, use_edns=0 if payload else False, payload=payload).to_wire())
    for _ in range(rng.randrange(4)):
        at = rng.randrange(len(wire))
        wire[at : at + rng.randrange(3)] = rng.randbytes(rng.randrange(3))
    return bytes(wire[: rng.randrange(len(wire) + 1)] if rng.random() < 0.2 else wire)


class Asker(asyncio.DatagramProtocol):
    """A UDP client that sends what it is told."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._received: asyncio.Queue[bytes] = asyncio.Queue()

    async def __aenter__(self) -> Asker:
        loop = asyncio.get_running_loop()
        place = ("127.0.0.1", self._port)
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, remote_addr=place)
        return self

    async def __aexit__(self, *error: object) -> None:
        self._transport.close()

    def datagram_received(self, data: bytes, addr: object) -> None:
        self._received.put_nowait(data)

    def send(self, wire: bytes) -> None:
        self._transport.sendto(wire)

    async def reply(self) -> bytes:
        async with asyncio.timeout(30):
            return await self._received.get()

    def replies(self) -> list[bytes]:
        return [self._received.get_nowait() for _ in range(self._received.qsize())]


class Recursor(asyncio.DatagramProtocol):
    """Knows example.com, fails for fail.com, and is silent on everything else."""

    def connection_made(self, transport: Any) -> None:
        self.transport = transport
        self.asked: list[str] = []

    def datagram_received(self, data: bytes, addr: Any) -> None:
        query = dns.message.from_wire(data)
        name = query.question[0].name.to_text()
        self.asked.append(name)
        reply = dns.message.make_response(query, recursion_available=True)
        if name.endswith("example.com."):
            reply.answer = [dns.rrset.from_text(name, 60, "IN", "A", "192.0.2.1")]
        elif name.endswith("fail.com."):
            reply.set_rcode(dns.rcode.SERVFAIL)
        else:
            return
        self.transport.sendto(reply.to_wire(), addr)


@asynccontextmanager
async def recursor() -> AsyncIterator[tuple[str, Recursor]]:
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_datagram_endpoint(Recursor, local_addr=("127.0.0.1", 0))
    yield f"127.0.0.1:{transport.get_extra_info('sockname')[1]}", protocol
    transport.close()


async def test_recursors_are_asked_for_what_is_outside(ask: Any) -> None:
    async with recursor() as (place, asked):
        settings = DNS("127.0.0.1:0", recursors=(place, place), recursor_timeout=0.1)
        async with Agent("127.0.0.1:0", dns=settings) as agent:
            assert agent.dns_address is not None
            port = int(agent.dns_address.rpartition(":")[2])
            assert (await ask(agent.address, "GET", "/v1/agent/self")).json["DebugConfig"]["DNSPort"] == port
            body = {"Name": "outer", "Address": "www.example.com", "Port": 80}
            await ask(agent.address, "PUT", "/v1/agent/service/register", body)
            outside = await udp(port, dns.message.make_query("www.example.com", "A"))
            assert addresses(outside) == {"192.0.2.1"} and outside.flags & dns.flags.RA
            for name in ("fail.com", "silent.net", "9.9.9.9.in-addr.arpa"):
                failed = await tcp(port, dns.message.make_query(name, "A"))
                assert failed.rcode() == dns.rcode.SERVFAIL and failed.flags & dns.flags.RA
            assert asked.asked.count("fail.com.") == asked.asked.count("silent.net.") == 2
            alias = await udp(port, dns.message.make_query("outer.service.consul", "A"))
            assert addresses(alias) == {"www.example.com.", "192.0.2.1"}
            place_of = await udp(port, dns.message.make_query("outer.service.consul", "SRV"))
            assert "192.0.2.1" in place_of.additional[-1].to_text()


async def test_strangers_bytes_reach_no_recursor_but_as_questions(ask: Any) -> None:
    rng = Random(1034)
    async with recursor() as (place, asked):
        async with answering(ask, DNS("127.0.0.1:0", recursors=(place,), recursor_timeout=0.05)) as port:
            async with Asker(port) as stranger:
                for _ in range(10):
                    for _ in range(50):
                        stranger.send(spoilt(rng))
                    await udp(port, WEB)
            outside = await udp(port, dns.message.make_query("www.example.com", "A"))
            assert addresses(outside) == {"192.0.2.1"}
        assert len(asked.asked) > 10


async def test_without_recursors_what_is_outside_is_refused(ask: Any) -> None:
    async with answering(ask) as port:
        refused = await udp(port, dns.message.make_query("www.example.com", "A"))
        assert refused.rcode() == dns.rcode.REFUSED and not refused.flags & dns.flags.RA


async def test_questions_to_recursors_end_with_the_agent(ask: Any) -> None:
    async with recursor() as (place, asked):
        settings = DNS("127.0.0.1:0", recursors=(place,), recursor_timeout=60)
        async with answering(ask, settings) as port, Asker(port) as asker:
            asker.send(dns.message.make_query("silent.net", "A").to_wire())
            async with asyncio.timeout(30):
                while not asked.asked:
                    await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "settings",
    [
        "127.0.0.1",
        "no such host:1",
        DNS("127.0.0.1:0", recursors=("[::1",)),
        DNS("127.0.0.1:0", recursors=("ns.test",)),
    ],
)
async def test_bad_settings(settings: DNS | str) -> None:
    with pytest.raises(BadConfiguration):
        async with Agent("127.0.0.1:0", dns=settings):
            pass


async def test_a_taken_port(ask: Any) -> None:
    async with answering(ask) as port:
        with pytest.raises(BadConfiguration, match="another process has that port"):
            async with Agent("127.0.0.1:0", dns=f"127.0.0.1:{port}"):
                pass


def test_without_dnspython_it_is_said_what_to_install() -> None:
    script = """
import asyncio, sys
sys.modules["dns"] = None
from muster.agent import Agent
async def main():
    async with Agent("127.0.0.1:0"):
        pass
    async with Agent("127.0.0.1:0", dns="127.0.0.1:0"):
        pass
asyncio.run(main())
"""
    ended = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert "pip install 'muster-discovery[agent]'" in ended.stderr.splitlines()[-1]
