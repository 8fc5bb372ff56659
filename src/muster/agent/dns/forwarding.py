"""Questions that others have to answer: what is outside the domain goes to recursors."""

from __future__ import annotations

import asyncio
import ipaddress
import logging

import dns.asyncbackend
import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype

from muster.agent.dns.records import Address, Alias, Record
from muster.model.errors import BadConfiguration
from muster.model.instance import split_host_port

_PORT = 53
_PAYLOAD = 1232
"""Bytes by UDP that reach us whole on any network; longer answers come by TCP."""
_MOST_AT_ONCE = 256
_MOST_RECORDS = 5
"""Records of a foreign name that are added to an answer, as in Consul."""

_ANSWERS = (dns.rcode.NOERROR, dns.rcode.NXDOMAIN)

_log = logging.getLogger("muster.agent.dns")


class Recursors:
    """Servers that are asked one after another, each for `timeout` seconds. At most 256 questions are under way at a
    time; further ones have no answer. Raises BadConfiguration for what is no address."""

    def __init__(self, addresses: tuple[str, ...], timeout: float) -> None:
        self._places = [_place(address) for address in addresses]
        self._timeout = timeout
        self._free = _MOST_AT_ONCE
        self._backend = dns.asyncbackend.get_backend("asyncio")

    async def ask(self, message: dns.message.Message) -> dns.message.Message | None:
        """What the first says that says something of a question; None if none does. Never raises for what they do."""
        if not self._free:
            _log.warning("%d questions are with recursors: another one is not asked", _MOST_AT_ONCE)
            return None
        self._free -= 1
        try:
            return await self._ask_each(message)
        finally:
            self._free += 1

    async def addresses(self, name: str, kind: str) -> tuple[Record, ...]:
        """The aliases and addresses of a foreign name: AAAA if that is asked for, else A."""
        try:
            message = dns.message.make_query(name, "AAAA" if kind == "AAAA" else "A", use_edns=0)
        except dns.exception.DNSException:
            return ()
        reply = await self.ask(message)
        return () if reply is None else tuple(_records(reply))[:_MOST_RECORDS]

    async def _ask_each(self, message: dns.message.Message) -> dns.message.Message | None:
        for host, port in self._places:
            try:
                # A message of our own, and its number: a client must not choose what an answer has to look like, nor
                # what else is sent.
                question = _asking(message)
                async with asyncio.timeout(self._timeout):
                    reply = await self._ask_one(question, host, port)
            except Exception as error:  # whatever a stranger's bytes make of the parser; time that is up, too
                _log.info("the recursor %s:%d did not answer: %r", host, port, error)
                continue
            if reply.rcode() in _ANSWERS:
                reply.id = message.id
                return reply
            _log.info("the recursor %s:%d answered %s", host, port, dns.rcode.to_text(reply.rcode()))
        return None

    async def _ask_one(self, question: dns.message.Message, host: str, port: int) -> dns.message.Message:
        reply, _ = await dns.asyncquery.udp_with_fallback(
            question, host, port=port, ignore_unexpected=True, backend=self._backend
        )
        return reply


def _asking(message: dns.message.Message) -> dns.message.Message:
    """The question of a message in one of our own."""
    asked = message.question[0]
    question = dns.message.make_query(asked.name, asked.rdtype, asked.rdclass, use_edns=0, payload=_PAYLOAD)
    question.flags |= message.flags & dns.flags.CD
    return question


def _place(address: str) -> tuple[str, int]:
    """The address and port in `ADDRESS` or `ADDRESS:PORT`. Raises BadConfiguration."""
    try:
        return str(ipaddress.ip_address(address)), _PORT
    except ValueError:
        pass  # with a port, then, or wrong
    try:
        host, port = split_host_port(address)
        return str(ipaddress.ip_address(host)), port
    except ValueError as error:
        raise BadConfiguration(f"a recursor is an IP address, with or without a port: {error}") from None


def _records(reply: dns.message.Message) -> list[Record]:
    records: list[Record] = []
    for rrset in reply.answer:
        owner = rrset.name.to_text(omit_final_dot=True)
        for rdata in rrset:
            if rrset.rdtype in (dns.rdatatype.A, dns.rdatatype.AAAA):
                records.append(Record(owner, rrset.ttl, Address(rdata.to_text())))
            elif rrset.rdtype == dns.rdatatype.CNAME:
                records.append(Record(owner, rrset.ttl, Alias(rdata.to_text().rstrip("."))))
    return records
