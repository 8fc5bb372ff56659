"""A real Consul's DNS and the agent's have to say the same: code, flags, EDNS, question, and each section as a set."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator
from typing import Any

import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest
from tests.asking import ask as ask
from tests.conformance.registered import QUERIES, REGISTERED

from muster.agent import Agent
from muster.agent.dns.settings import DNS, Authority
from muster.testing.servers import ConsulServer, free_ports

pytestmark = pytest.mark.anyio


def words(text: str) -> list[str]:
    return text.split()


_KINDS = ("A", "AAAA", "SRV", "TXT", "ANY", "SOA", "NS", "MX", "CNAME", "PTR", "HTTPS")
_SERVICES = words("web six host sick lan esix ehost efour einner my_svc bhost loops mapped dup hdup w0 crit nope cc")
_NODES = words("like ext6 exthost Ext4 inner under_score dotted.name bhost loop1 c1 c2 m6 nope")
_NAMES = words("""
v2.web.service V1.web.service v1.v2.web.service nope.web.service a.b.my_svc.service dot.svc.service
_web._v1.service _web._tcp.service _web._TCP.service _web._udp.service _WEB._V1.service _web.service _web._.service
__web._tcp.service _web._v1.web.service _web._tcp _web._tcp.dc1 _web _web._tcp.node
web.service.dc1 web.service.dc2 web.service.dc1.x web.service.dc1.dc1 web.service.service service node addr query
WEB.Service LIKE.node like.node.dc1 like.node.dc2 x.y.node web.dc1.service ns nope cc-proxy.service
0a010101.addr 0a010101.addr.dc2 20010db8000000000000000000000001.addr zz010101.addr 0a01.addr x.0a010101.addr
cc.connect cc.connect.dc1 cc.connect.dc2 x.cc.connect web.connect web.ingress web.virtual
q1.query Q1.query.dc1 q1.query.dc2 q.dotted.query tmpl-web.query tmpl-nope.query nope.query _q1._tcp.query x.q1.query
""")
_OUTSIDE = words("""
1.0.0.127.in-addr.arpa 1.0.0.127.IN-ADDR.ARPA 1.1.1.10.in-addr.arpa 9.2.0.192.in-addr.arpa 4.3.2.1.in-addr.arpa
3.2.1.in-addr.arpa 77.2.0.192.in-addr.arpa 71.2.0.192.in-addr.arpa 79.2.0.192.in-addr.arpa in-addr.arpa arpa
001.0.0.127.in-addr.arpa 300.0.0.127.in-addr.arpa foo.ip6.arpa
6.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa
1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa
www.example.com . web.service DOMAIN.example.com
""")

_CONFIGURED = DNS(
    "127.0.0.1:0",
    domain="Corp.Test",
    node_ttl=5,
    service_ttl={"*": 7, "web": 9, "ma*": 11, "many*": 12},
    only_passing=True,
    enable_truncate=True,
    a_record_limit=5,
    udp_answer_limit=4,
    soa=Authority(1, 2, 3, 4),
)
_HCL = """
domain = "Corp.Test"
dns_config {
  node_ttl = "5s" service_ttl { "*" = "7s" "web" = "9s" "ma*" = "11s" "many*" = "12s" }
  only_passing = true enable_truncate = true a_record_limit = 5 udp_answer_limit = 4
  soa { refresh = 1 retry = 2 expire = 3 min_ttl = 4 }
}
"""


class Pair:
    """The two DNS ports, asked the same."""

    def __init__(self, real: int, ours: int) -> None:
        self.real, self.ours = real, ours

    def each(self, name: str, kind: str, **how: Any) -> tuple[dns.message.Message, dns.message.Message]:
        return asked(self.real, name, kind, **how), asked(self.ours, name, kind, **how)

    def differences(self, questions: list[tuple[str, str]], **how: Any) -> list[str]:
        found: list[str] = []
        for name, kind in questions:
            real, ours = map(comparable, self.each(name, kind, **how))
            if real != ours:
                found.append(f"{name} {kind}\n  Consul {real}\n  ours   {ours}")
        return found


def asked(port: int, name: str, kind: str, *, edns: int | None = None, tcp: bool = False) -> dns.message.Message:
    question = dns.message.make_query(name, kind, use_edns=False if edns is None else 0, payload=edns or 0)
    send = dns.query.tcp if tcp else dns.query.udp
    return send(question, "127.0.0.1", port=port, timeout=5, one_rr_per_rrset=True)


def comparable(reply: dns.message.Message) -> tuple[Any, ...]:
    """Names in lower case: which of two spellings a name is compressed to is nobody's business."""
    sections = [sorted({section_text(each.to_text()) for each in part}) for part in reply.sections[1:]]
    edns = (reply.edns, reply.payload if reply.edns >= 0 else 0)
    return dns.rcode.to_text(reply.rcode()), dns.flags.to_text(reply.flags), edns, reply.question, sections


def section_text(text: str) -> str:
    return re.sub(r"(SOA \S+ \S+) \d+", r"\1 SERIAL", text).lower()


@pytest.fixture(scope="module")
def consul(consul_binary: str) -> Iterator[tuple[ConsulServer, int]]:
    yield from running(consul_binary)


@pytest.fixture(scope="module")
def configured_consul(consul_binary: str) -> Iterator[tuple[ConsulServer, int]]:
    yield from running(consul_binary, "-hcl", _HCL)


def running(binary: str, *arguments: str) -> Iterator[tuple[ConsulServer, int]]:
    (port,) = free_ports(1)
    with ConsulServer(binary, "-node=like", f"-dns-port={port}", *arguments) as server:
        for path, body in REGISTERED:
            server.ask(path, method="PUT", body=body)
        for query in QUERIES:
            server.ask("/v1/query", method="POST", body=query)
        yield server, port


async def test_dns_says_what_consuls_says(consul: Any, ask: Any) -> None:
    async with Agent("127.0.0.1:0", node="like", dns="127.0.0.1:0") as agent:
        pair = await told(agent, ask, consul[1])
        questions = questions_in("consul")
        assert not "\n".join(await asyncio.to_thread(pair.differences, questions))
        few = [(f"{name}.service.consul", kind) for name in ("web", "nope", "six") for kind in ("A", "SRV", "SOA")]
        assert not await asyncio.to_thread(pair.differences, few, edns=1232)
        assert not await asyncio.to_thread(pair.differences, [*few, ("many.service.consul", "A")], tcp=True)
        assert not await asyncio.to_thread(pair.differences, [("many.service.consul", "A")], edns=4096)


async def test_dns_settings_do_what_consuls_do(configured_consul: Any, ask: Any) -> None:
    async with Agent("127.0.0.1:0", node="like", dns=_CONFIGURED) as agent:
        pair = await told(agent, ask, configured_consul[1])
        assert not await asyncio.to_thread(pair.differences, questions_in("corp.test"))
        for how in ({}, {"edns": 1232}, {"tcp": True}):
            real, ours = await asyncio.to_thread(pair.each, "many.service.corp.test", "A", **how)
            assert (len(ours.answer), ours.flags) == (len(real.answer), real.flags)


async def test_as_many_instances_are_told_as_consul_tells(consul: Any, ask: Any) -> None:
    async with Agent("127.0.0.1:0", node="like", dns="127.0.0.1:0") as agent:
        pair = await told(agent, ask, consul[1])
        for kind in ("A", "SRV"):
            for edns in (None, 512):
                real, ours = await asyncio.to_thread(pair.each, "many.service.consul", kind, edns=edns)
                assert (len(ours.answer), len(ours.additional)) == (len(real.answer), len(real.additional))
                assert ours.flags == real.flags
        real, ours = await asyncio.to_thread(pair.each, "many.service.consul", "SRV", edns=1232)
        # Ours compresses less, by RFC 2782: no name in SRV, and none by one in SRV.
        assert len(real.answer) - 3 <= len(ours.answer) <= len(real.answer)
        assert len(ours.additional) == len(ours.answer)


def questions_in(domain: str) -> list[tuple[str, str]]:
    names = [f"{name}.service" for name in _SERVICES] + [f"{name}.node" for name in _NODES] + _NAMES
    everything = [(f"{name}.{domain}", kind) for name in names for kind in _KINDS]
    outside = [(name.replace("DOMAIN", f"web.service.{domain}"), kind) for name in _OUTSIDE for kind in ("PTR", "A")]
    return everything + [(domain, kind) for kind in _KINDS] + outside


async def told(agent: Agent, ask: Any, real_port: int) -> Pair:
    for path, body in REGISTERED:
        assert (await ask(agent.address, "PUT", path, body)).status == 200
    for query in QUERIES:
        assert (await ask(agent.address, "POST", "/v1/query", query)).status == 200
    assert agent.dns_address is not None
    return Pair(real_port, int(agent.dns_address.rpartition(":")[2]))
