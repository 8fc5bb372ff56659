"""Consul's JSON: keys, leniency towards other versions, and what is left out."""

from __future__ import annotations

import msgspec
import pytest

from muster.registry.consul import wire


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("id", "ID"),
        ("check_id", "CheckID"),
        ("ttl", "TTL"),
        ("http", "HTTP"),
        ("tls_skip_verify", "TLSSkipVerify"),
        ("grpc_use_tls", "GRPCUseTLS"),
        ("deregister_critical_service_after", "DeregisterCriticalServiceAfter"),
        ("docker_container_id", "DockerContainerID"),
    ],
)
def test_keys_are_consuls(name: str, key: str) -> None:
    assert wire.consul_key(name) == key


def test_a_request_leaves_out_what_has_its_default() -> None:
    check = wire.ServiceCheck(check_id="a:self", ttl="30s")
    asked = wire.ServiceRegistration(name="a", port=80, checks=[check])
    assert msgspec.json.encode(asked) == b'{"Name":"a","Port":80,"Checks":[{"TTL":"30s","CheckID":"a:self"}]}'


def test_an_answer_may_lack_fields_have_more_of_them_and_nulls() -> None:
    body = b'[{"Node":{"Node":"n"},"Service":{"ID":"a","Tags":null,"Meta":null,"Locality":{}},"Checks":null,"New":1}]'
    (entry,) = msgspec.json.decode(body, type=list[wire.ServiceEntry])
    assert (entry.service.id, entry.service.tags, entry.checks, entry.node.meta) == ("a", None, None, None)


def test_the_agents_view_has_tagged_addresses_only_if_there_are_any() -> None:
    assert b"TaggedAddresses" not in msgspec.json.encode(wire.AgentService(id="a"))
    tagged = wire.AgentService(id="a", tagged_addresses={"lan": wire.ServiceAddress(address="10.0.0.1", port=1)})
    assert b'"TaggedAddresses":{"lan":{"Address":"10.0.0.1","Port":1}}' in msgspec.json.encode(tagged)
