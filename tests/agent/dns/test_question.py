"""What a name asks for."""

from __future__ import annotations

import pytest

from muster.agent.dns.question import (
    AddressName,
    ConnectName,
    NodeName,
    QueryName,
    ServiceName,
    asked,
    within,
)


@pytest.mark.parametrize(
    ("name", "kind", "expected"),
    [
        ("web.service", "A", ServiceName("web")),
        ("v1.web.service", "A", ServiceName("web", "v1")),
        ("a.b.web.service.dc1", "A", ServiceName("web", "a.b")),
        ("_web._v1.service", "SRV", ServiceName("web", "v1")),
        ("_web._tcp.service", "SRV", ServiceName("web")),
        ("_web._tcp", "SRV", ServiceName("web")),
        ("_web._tcp", "A", None),
        ("web.service.dc2", "A", None),
        ("web.service.dc1.dc1", "A", None),
        ("node.service", "A", ServiceName("node")),
        ("service", "A", None),
        ("dotted.name.node", "A", NodeName("dotted.name")),
        ("n.node.dc2", "A", NodeName("n", here=False)),
        ("n.node.dc1.x", "A", None),
        ("tag.web.connect", "A", ConnectName("web")),
        ("a.b.query", "A", QueryName("a.b")),
        ("0a000001.addr.anywhere.at.all", "A", AddressName("0a000001")),
        ("x.0a000001.addr", "A", None),
        ("nothing", "A", None),
        ("", "A", None),
    ],
)
def test_forms_of_names(name: str, kind: str, expected: object) -> None:
    assert asked(tuple(name.split(".")), kind, "dc1") == expected


@pytest.mark.parametrize(
    ("name", "domain", "before"),
    [
        ("WEB.Service.Consul", "consul", ("web", "service")),
        ("web.service.corp.test", "Corp.Test.", ("web", "service")),
        ("consul", "consul", ()),
        ("notconsul", "consul", None),
        ("web.service.test", "corp.test", None),
        ("consul.example", "consul", None),
    ],
)
def test_within_the_domain(name: str, domain: str, before: object) -> None:
    assert within(tuple(name.split(".")), domain) == before
