"""How a registration is written into Consul: tables, no I/O."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from muster.model.check import Check, GRPCCheck, HTTPCheck, TCPCheck, TTLCheck
from muster.model.errors import Rejected
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.registry.consul.mapping import differs, expired, to_wire, unwanted
from muster.registry.consul.wire import AgentService, HealthCheck, ServiceRegistration, Weights

INSTANCE = Instance("g-1", "greeter", "10.0.0.1", 9000, verifiable=True)


def written(registration: Registration) -> object:
    """What goes over the wire."""
    return msgspec.json.decode(msgspec.json.encode(to_wire(registration)))


def test_the_whole_of_it() -> None:
    instance = replace(
        INSTANCE,
        protocol="grpc",
        version="1.2",
        tags=("b", "a"),
        metadata={"team": "x"},
        weight=5,
        zone="east",
        endpoints="0123",
    )
    assert written(Registration(instance, (TTLCheck("self", 30.0),), deregister_after=90.0)) == {
        "ID": "g-1",
        "Name": "greeter",
        "Tags": ["b", "a"],
        "Address": "10.0.0.1",
        "Port": 9000,
        "Meta": {"team": "x", "version": "1.2", "protocol": "grpc", "zone": "east", "muster": "1;0123"},
        "Weights": {"Passing": 5, "Warning": 2},
        "Checks": [
            {
                "CheckID": "g-1:self",
                "Name": "self",
                "Notes": "a heartbeat within 30s; removed after 1m30s critical",
                "Status": "passing",
                "TTL": "30s",
                "DeregisterCriticalServiceAfter": "1m30s",
            }
        ],
    }


def test_who_cannot_prove_its_identity_is_not_marked_as_muster_s() -> None:
    foreign = replace(INSTANCE, protocol="http", version="1.2", verifiable=False)
    assert to_wire(Registration(foreign)).meta == {"version": "1.2", "protocol": "http"}


def test_what_is_empty_is_left_out() -> None:
    assert written(Registration(replace(INSTANCE, host=""))) == {
        "ID": "g-1",
        "Name": "greeter",
        "Tags": [],
        "Port": 9000,
        "Meta": {"muster": "1"},
        "Weights": {"Passing": 1, "Warning": 1},
        "Checks": [],
    }


@pytest.mark.parametrize(
    ("check", "fields", "notes"),
    [
        (TTLCheck("c", 0.25), {"TTL": "250ms"}, "a heartbeat within 250ms"),
        (
            GRPCCheck("c", "[::1]:9000", "g-1"),
            {"GRPC": "[::1]:9000/g-1", "Interval": "10s", "Timeout": "5s"},
            "gRPC health at [::1]:9000/g-1 every 10s, given 5s",
        ),
        (
            GRPCCheck("c", "a:1", "", tls=True, tls_skip_verify=True),
            {"GRPC": "a:1", "GRPCUseTLS": True, "TLSSkipVerify": True, "Interval": "10s", "Timeout": "5s"},
            "gRPC health at a:1 over TLS unverified every 10s, given 5s",
        ),
        (
            HTTPCheck("c", "https://a/health", interval=1.5, timeout=1.0, tls_skip_verify=True),
            {"HTTP": "https://a/health", "TLSSkipVerify": True, "Interval": "1.5s", "Timeout": "1s"},
            "HTTP GET https://a/health unverified every 1.5s, given 1s",
        ),
        (
            TCPCheck("c", "a:1"),
            {"TCP": "a:1", "Interval": "10s", "Timeout": "5s"},
            "TCP connection to a:1 every 10s, given 5s",
        ),
    ],
)
def test_checks(check: Check, fields: dict[str, object], notes: str) -> None:
    body = written(Registration(INSTANCE, (check,)))
    assert isinstance(body, dict)
    assert body["Checks"] == [
        {
            "CheckID": "g-1:c",
            "Name": "c",
            "Notes": f"{notes}; removed after 1m0s critical",
            "Status": "passing",
            "DeregisterCriticalServiceAfter": "1m0s",
            **fields,
        }
    ]


@pytest.mark.parametrize("key", ["version", "protocol", "zone", "muster"])
def test_a_metadata_key_of_our_own_is_rejected_by_name(key: str) -> None:
    with pytest.raises(Rejected, match=f"metadata key '{key}' is muster's own"):
        to_wire(Registration(replace(INSTANCE, metadata={key: "x"})))


def test_metadata_needs_room_beside_ours() -> None:
    metadata = {f"key{number}": "" for number in range(63)}
    to_wire(Registration(replace(INSTANCE, metadata=metadata)))
    with pytest.raises(Rejected, match="63 pairs of metadata and 2 of muster's own are more than the 64"):
        to_wire(Registration(replace(INSTANCE, metadata=metadata, version="1")))


WANTED = to_wire(Registration(replace(INSTANCE, tags=("a",)), (TTLCheck("self", 30.0), TCPCheck("reach", "a:1"))))
HELD = AgentService(
    id="g-1",
    service="greeter",
    tags=["a"],
    meta={"muster": "1"},
    port=9000,
    address="10.0.0.1",
    weights=Weights(passing=1, warning=1),
)


def held_checks(wanted: ServiceRegistration = WANTED, status: str = "passing") -> dict[str, HealthCheck]:
    return {
        each.check_id: HealthCheck(check_id=each.check_id, name=each.name, notes=each.notes, status=status)
        for each in wanted.checks or ()
    }


def test_what_is_held_as_wanted_does_not_differ() -> None:
    assert not differs(WANTED, HELD, held_checks())
    assert not differs(WANTED, HELD, held_checks(status="critical"))


@pytest.mark.parametrize(
    "held",
    [
        msgspec.structs.replace(HELD, tags=["a", "b"]),
        msgspec.structs.replace(HELD, tags=None),
        msgspec.structs.replace(HELD, port=9001),
        msgspec.structs.replace(HELD, address=""),
        msgspec.structs.replace(HELD, meta={}),
        msgspec.structs.replace(HELD, weights=Weights(passing=2, warning=1)),
        msgspec.structs.replace(HELD, service="Greeter"),
    ],
)
def test_any_field_may_differ(held: AgentService) -> None:
    assert differs(WANTED, held, held_checks())


def test_a_check_may_differ_or_be_missing() -> None:
    other = to_wire(Registration(INSTANCE, (TTLCheck("self", 31.0), TCPCheck("reach", "a:1"))))
    assert differs(WANTED, HELD, held_checks(other))
    assert differs(WANTED, HELD, {})


def test_only_our_own_left_over_checks_are_unwanted() -> None:
    others = ["g-1:old", "g-10:self", "service:g-1", "_service_maintenance:g-1", "operator"]
    checks = held_checks() | {key: HealthCheck(check_id=key) for key in others}
    assert unwanted(WANTED, checks) == ["g-1:old"]


def test_only_heartbeats_expire() -> None:
    assert expired(WANTED, held_checks(status="critical")) == ["g-1:self"]
    assert expired(WANTED, held_checks()) == []
    assert expired(WANTED, {}) == []
