"""Which access rule a token lacks. https://developer.hashicorp.com/consul/docs/security/acl/acl-rules"""

from __future__ import annotations

import json
import re

import msgspec

AUTHORIZE = "/v1/internal/acl/authorize"
"""Asks Consul what a token may do. Its web interface lives on it; it needs no right of its own."""


class Verdict(msgspec.Struct, frozen=True, rename="pascal"):
    """One answer of AUTHORIZE."""

    resource: str = ""
    access: str = ""
    allow: bool = False


def service_rule(name: str, policy: str) -> str:
    """The rule for one service, `policy` being "read" or "write"."""
    return _rule("service", name, policy)


def every_service_rule() -> str:
    return 'service_prefix "" { policy = "read" }'


def every_node_rule() -> str:
    return 'node_prefix "" { policy = "read" }'


def reading_rules(name: str) -> str:
    """What it takes to discover a service: instances are shown only together with their nodes."""
    return f"{service_rule(name, 'read')} and {every_node_rule()}"


def question(name: str) -> bytes:
    """The body for AUTHORIZE: may the token read the service, every service for an empty name, and every node?"""
    asked = (("service", name), ("node", ""))
    return json.dumps([{"Resource": kind, "Access": "read", "Segment": segment} for kind, segment in asked]).encode()


def refused(body: bytes) -> frozenset[str]:
    """The resources, "service" and "node", that the answer of AUTHORIZE refuses. Raises one of entries.UNDECODABLE."""
    verdicts = msgspec.json.decode(body, type=list[Verdict])
    return frozenset(verdict.resource for verdict in verdicts if not verdict.allow)


_MISSING = re.compile(
    r"""[Mm]issing\ (service|node):(read|write)\ on\ ([\w.-]+)             # 1.8
    |   lacks\ permission\ '(service|node):(read|write)'\ on\ "([^"]+)\"   # later versions
    """,
    re.VERBOSE,
)


def missing_rule(text: str) -> str:
    """The rule that Consul itself names in a refusal, or nothing."""
    found = _MISSING.search(text)
    if found is None:
        return ""
    resource, policy, name = (part for part in found.groups() if part is not None)
    return _rule(resource, name, policy)


def _rule(resource: str, name: str, policy: str) -> str:
    return f"{resource} {json.dumps(name, ensure_ascii=False)} {{ policy = {json.dumps(policy)} }}"
