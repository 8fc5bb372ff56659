"""What the registry is told."""

from __future__ import annotations

import pytest

from muster.model.check import Check, GRPCCheck, HTTPCheck, TCPCheck, TTLCheck
from muster.model.endpoint import Endpoint
from muster.model.errors import BadConfiguration, Rejected
from muster.model.instance import GRPC, HTTP
from muster.serve.entry import Label, compose, digest, new_id
from muster.serve.mode import Mode, mode_of
from muster.serve.reach import Look, Reach, by_grpc, by_http
from muster.serve.settings import TLS, Limits, Timing

HELLO = Endpoint("/greeter.Say/Hello", "greeter.HelloRequest", "greeter.HelloReply")
CHAT = Endpoint("/greeter.Say/Chat", "greeter.HelloRequest", "greeter.HelloReply", True, True)
LABEL = Label("greeter", "1.2.0", ("a", "b"), {"team": "x"}, 3, "z1")


def test_the_entry_of_an_instance() -> None:
    registration = compose(LABEL, "greeter-1", ("10.0.0.7", 9000), (HELLO,), Timing(), by_grpc(None))
    instance = registration.instance
    assert (instance.id, instance.service, instance.address) == ("greeter-1", "greeter", "10.0.0.7:9000")
    assert (instance.protocol, instance.version, instance.zone, instance.weight) == ("grpc", "1.2.0", "z1", 3)
    assert (instance.tags, instance.metadata) == (("a", "b"), {"team": "x"})
    assert instance.verifiable
    assert instance.endpoints == digest([HELLO])
    assert registration.checks == (TTLCheck("self", 30.0), GRPCCheck("reach", "10.0.0.7:9000", "greeter-1"))
    assert registration.deregister_after == 60.0


@pytest.mark.parametrize(
    ("where", "target"),
    [
        (("", 9000), "127.0.0.1:9000"),
        (("fd00::7", 9000), "[fd00::7]:9000"),
        (("mapped.example", 1), "mapped.example:1"),
    ],
)
def test_where_the_registry_calls(where: tuple[str, int], target: str) -> None:
    reach = compose(LABEL, "greeter-1", where, (), Timing(reach=1.0), by_grpc(None)).checks[1]
    assert isinstance(reach, GRPCCheck)
    assert (reach.target, reach.interval, reach.timeout) == (target, 1.0, 1.0)


def test_the_registry_calls_by_tls_without_judging_the_certificate() -> None:
    reach = compose(LABEL, "greeter-1", ("", 1), (), Timing(), by_grpc(TLS("c.pem", "k.pem"))).checks[1]
    assert isinstance(reach, GRPCCheck)
    assert (reach.tls, reach.tls_skip_verify) == (True, True)


def test_a_registry_that_has_no_certificate_can_only_connect() -> None:
    reach = compose(LABEL, "greeter-1", ("", 1), (), Timing(), by_grpc(TLS("c.pem", "k.pem", "ca.pem"))).checks[1]
    assert reach == TCPCheck("reach", "127.0.0.1:1")


@pytest.mark.parametrize(
    ("reach", "look"),
    [
        (by_http("/health", None), HTTPCheck("reach", "http://10.0.0.7:80/health/g-1")),
        (
            by_http("/health/", TLS("c", "k")),
            HTTPCheck("reach", "https://10.0.0.7:80/health/g-1", tls_skip_verify=True),
        ),
        (by_http("/health", TLS("c", "k", "ca")), TCPCheck("reach", "10.0.0.7:80")),
        (Reach(HTTP, Look.HTTP, "/status?x=1"), HTTPCheck("reach", "http://10.0.0.7:80/status?x=1")),
        (Reach(GRPC, Look.GRPC), GRPCCheck("reach", "10.0.0.7:80", "")),
        (Reach("", Look.TCP), TCPCheck("reach", "10.0.0.7:80")),
        (Reach("", Look.NONE), None),
    ],
)
def test_how_the_registry_looks(reach: Reach, look: Check | None) -> None:
    registration = compose(LABEL, "g-1", ("10.0.0.7", 80), (HELLO,), Timing(), reach)
    assert registration.checks[1:] == (() if look is None else (look,))
    assert registration.instance.verifiable is reach.proves
    assert bool(registration.instance.endpoints) is reach.proves
    assert registration.instance.protocol == reach.protocol


def test_clients_are_told_where_an_http_server_proves_itself() -> None:
    metadata = compose(LABEL, "g-1", ("", 80), (), Timing(), by_http("/health", None)).instance.metadata
    assert metadata == {"team": "x", "muster-health": "/health"}


def test_the_digest_knows_endpoints_and_not_their_order() -> None:
    assert digest([HELLO, CHAT]) == digest([CHAT, HELLO])
    assert len({digest([HELLO]), digest([CHAT]), digest([HELLO, CHAT]), digest([])}) == 4
    assert digest([HELLO]) == "47537ed4a997"


def test_every_start_has_an_id_of_its_own() -> None:
    ids = {new_id("greeter") for _ in range(1000)}
    assert len(ids) == 1000
    assert all(each.startswith("greeter-") for each in ids)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        (Label(""), "a service needs a name"),
        (Label("a b"), "cannot be used"),
        (Label("x" * 200), "200 characters"),
        (Label("greeter", weight=0), "weight 0"),
        (Label("greeter", metadata={"k": "v" * 600}), "metadata 'k' has 600"),
        (Label("greeter", metadata={"a key": "v"}), "metadata key 'a key'"),
        (Label("greeter", version=1.2), "version 1.2 is no string: write '1.2'"),  # type: ignore[arg-type]
        (Label("greeter", tags=(1,)), "tag 1 is no string"),  # type: ignore[arg-type]
        (Label("greeter", metadata={"k": 3}), "metadata 'k' 3 is no string"),  # type: ignore[dict-item]
        (Label("greeter", metadata={3: "v"}), "metadata key 3 is no string"),  # type: ignore[dict-item]
        (Label("greeter", weight="x"), "weight 'x' is no whole number"),  # type: ignore[arg-type]
    ],
)
def test_what_no_registry_takes(label: Label, says: str) -> None:
    with pytest.raises(Rejected, match=says):
        compose(label, "id-1", ("", 1), (), Timing(), by_grpc(None))


@pytest.mark.parametrize("numbers", [{"beat": 0.0}, {"drain": -1.0}, {"drain": 5.0, "stop": 4.0}, {"reach": -1.0}])
def test_timing_that_cannot_be(numbers: dict[str, float]) -> None:
    with pytest.raises(BadConfiguration, match="must be"):
        Timing(**numbers)


@pytest.mark.parametrize("numbers", [{"calls": 0}, {"received": 0}, {"threads": 0}])
def test_limits_that_let_nothing_in(numbers: dict[str, int]) -> None:
    with pytest.raises(BadConfiguration, match="at least 1"):
        Limits(**numbers)


def test_who_registers() -> None:
    assert [mode_of(text) for text in ("self", " External", "OFF")] == [Mode.SELF, Mode.EXTERNAL, Mode.OFF]
    with pytest.raises(BadConfiguration, match="'nomad'; it can be 'self', 'external', 'off'"):
        mode_of("nomad")
