"""What DNS and prepared queries are asked about: the same in a real Consul and in the agent."""

from __future__ import annotations

from typing import Any

_REGISTER = "/v1/agent/service/register"
_CATALOG = "/v1/catalog/register"


def _instance(service_id: str, name: str, **more: Any) -> tuple[str, dict[str, Any]]:
    return _REGISTER, {"ID": service_id, "Name": name, "Port": 8000, **more}


def _external(node: str, address: str, name: str, **more: Any) -> tuple[str, dict[str, Any]]:
    service = {"Service": name, "Port": 79, **more.pop("service", {})}
    return _CATALOG, {"Node": node, "Address": address, "Service": service, **more}


def _ttl(status: str) -> dict[str, str]:
    return {"TTL": "1h", "Status": status}


_WEIGHTS = {"Passing": 7, "Warning": 3}

REGISTERED = (
    _instance("web1", "web", Port=8001, Address="10.1.1.1", Tags=["v1", "prod"], Weights=_WEIGHTS),
    _instance("web2", "web", Port=8002, Tags=["v2", "prod"]),
    _instance("web3", "web", Address="10.1.1.3", Tags=["v2"], Check=_ttl("critical")),
    _instance("web4", "web", Port=8004, Address="10.1.1.4", Tags=["V2"], Check=_ttl("warning"), Weights=_WEIGHTS),
    _instance("six1", "six", Address="2001:db8::1"),
    _instance("host1", "host", Address="www.example.com"),
    _instance("sick1", "sick", Check={"TTL": "1h"}),
    _instance("lan1", "lan", Address="10.2.2.2", TaggedAddresses={"lan": {"Address": "10.9.9.1", "Port": 91}}),
    *(_instance(f"many{n}", "many", Port=9000 + n, Address=f"10.3.0.{n}") for n in range(1, 41)),
    _external("ext6", "2001:db8::6", "esix", NodeMeta={"rack": "r1", "rfc1035-plain": "hello", "key=x": "y=z"}),
    _external("exthost", "node.example.org", "ehost", service={"Tags": ["a"]}),
    _external("Ext4", "192.0.2.9", "efour", NodeMeta={"k": "v"}, TaggedAddresses={"wan": "198.51.100.9"}),
    _external("inner", "web.service.consul", "einner", service={"Address": "Ext4.node.consul"}),
    _external("under_score", "192.0.2.10", "my_svc", service={"Tags": ["a.b", "under_tag"]}),
    _external("dotted.name", "192.0.2.12", "dot.svc"),
    _external("bhost", "mm.example.org", "bhost", NodeMeta={"k": "v"}),
    _external("loop1", "loop2.node.consul", "loops"),
    _external("loop2", "loop1.node.consul", "loops2"),
    _external("c1", "c2.node.consul", "c"),
    _external("c2", "c3.node.consul", "c"),
    _external("c3", "c4.node.consul", "c"),
    _external("c4", "c5.node.consul", "c"),
    _external("c5", "192.0.2.55", "c"),
    _external("p1", "192.0.2.71", "zsvc", service={"Address": "192.0.2.77"}),
    _external("p2", "192.0.2.71", "asvc", service={"Address": "192.0.2.77"}),
    _external("p3", "192.0.2.73", "crit", service={"Address": "192.0.2.79"}, Check={"Name": "x", "Status": "critical"}),
    _external("m6", "::ffff:10.0.0.1", "mapped"),
    _external("dup1", "192.0.2.80", "dup", service={"Address": "192.0.2.99"}),
    _external("dup2", "192.0.2.81", "dup", service={"Address": "192.0.2.99"}),
    _external("hdup1", "192.0.2.80", "hdup", service={"Address": "one.example.com"}),
    _external("hdup2", "192.0.2.82", "hdup", service={"Address": "192.0.2.83"}),
    _external("w", "192.0.2.85", "w0", service={"Port": 70000, "Weights": {"Passing": 0, "Warning": 0}}),
    _external("conn", "192.0.2.88", "cc", service={"Connect": {"Native": True}}),
    _external(
        "conn",
        "192.0.2.88",
        "cc-proxy",
        service={"Kind": "connect-proxy", "Address": "192.0.2.89", "Proxy": {"DestinationServiceName": "cc"}},
    ),
)

QUERIES: tuple[dict[str, Any], ...] = (
    {"Name": "q1", "Service": {"Service": "web", "Tags": ["prod"]}, "DNS": {"TTL": "10s"}},
    {"Name": "q.dotted", "Service": {"Service": "web"}},
    {
        "Name": "tmpl-",
        "Template": {"Type": "name_prefix_match", "Regexp": "^tmpl-(.*)$"},
        "Service": {"Service": "${match(1)}", "OnlyPassing": True},
    },
)
