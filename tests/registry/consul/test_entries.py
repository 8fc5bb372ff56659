"""How Consul's answers are read, also what others registered and what makes no sense: tables, no I/O."""

from __future__ import annotations

import json
import zlib
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from muster.model.check import CheckState, Health
from muster.model.instance import Instance
from muster.model.snapshot import SetAside
from muster.registry.consul.entries import UNDECODABLE, InstanceReader, read_instances, read_names


def entry(service: dict[str, Any] | None = None, checks: Any = None, node: str = "n1", **more: Any) -> dict[str, Any]:
    """An entry as Consul writes it, of the instance `web-1`."""
    plain = {"ID": "web-1", "Service": "web", "Address": "10.0.0.1", "Port": 80, "Tags": [], "Meta": None}
    weights = {"Weights": {"Passing": 1, "Warning": 1}}
    node_check = {"CheckID": "serfHealth", "Status": "passing", "ServiceID": ""}
    return {
        "Node": {"Node": node, "Address": "10.0.0.9"},
        "Service": {**plain, **weights, **(service or {})},
        "Checks": [node_check, *(checks or [])],
        **more,
    }


def read(*entries: Any) -> tuple[Instance, ...]:
    return read_instances("web", json.dumps(entries).encode()).instances


def one(*args: Any, **more: Any) -> Instance:
    (instance,) = read(entry(*args, **more))
    return instance


def test_a_plain_service_of_others() -> None:
    assert one() == Instance("web-1", "web", "10.0.0.1", 80)


def test_what_muster_wrote() -> None:
    meta = {"muster": "1;0123", "version": "2", "protocol": "grpc", "zone": "east", "team": "x"}
    found = one({"Meta": meta, "Tags": ["b", "a"], "Weights": {"Passing": 4, "Warning": 2}})
    assert found == Instance(
        "web-1",
        "web",
        "10.0.0.1",
        80,
        "grpc",
        "2",
        ("b", "a"),
        {"team": "x"},
        4,
        "east",
        endpoints="0123",
        verifiable=True,
    )


@pytest.mark.parametrize("marker", ["1", "2;0123;more", ""])
def test_any_format_of_ours_is_verifiable(marker: str) -> None:
    assert one({"Meta": {"muster": marker}}).verifiable


@pytest.mark.parametrize(
    ("meta", "protocol"),
    [({"protocol": "GRPC"}, "grpc"), ({"protocol": "mucp"}, "mucp"), ({"protocol": "tcp"}, ""), ({}, "")],
)
def test_protocols_of_others(meta: dict[str, str], protocol: str) -> None:
    found = one({"Meta": meta})
    assert (found.protocol, found.metadata, found.verifiable) == (protocol, meta, False)


def test_go_micro_writes_into_tags() -> None:
    tags = ["t-" + zlib.compress(b'{"protocol":"grpc"}').hex(), "v-" + zlib.compress(b"1.2.3").hex()]
    found = one({"Tags": tags})
    assert (found.protocol, found.version, found.metadata) == ("grpc", "1.2.3", {"protocol": "grpc"})
    assert found.tags == tuple(tags)
    assert one({"Tags": tags, "Meta": {"protocol": "mucp", "version": "9"}}).protocol == "mucp"


@pytest.mark.parametrize(
    ("service", "host", "address"),
    [
        ({"Address": ""}, "10.0.0.9", "10.0.0.9:80"),
        ({"Address": "::1"}, "::1", "[::1]:80"),
        ({"Address": "[::1]"}, "::1", "[::1]:80"),
        ({"Address": "web.internal"}, "web.internal", "web.internal:80"),
    ],
)
def test_addresses(service: dict[str, Any], host: str, address: str) -> None:
    found = one(service)
    assert (found.host, found.address) == (host, address)


def check(name: str, status: str, output: str = "", service: str = "web-1") -> dict[str, Any]:
    return {"CheckID": name, "Name": "a name", "Status": status, "Output": output, "ServiceID": service}


@pytest.mark.parametrize(
    ("checks", "health", "failing"),
    [
        ([], "passing", []),
        ([check("web-1:self", "passing")], "passing", []),
        ([check("web-1:self", "warning", "slow")], "warning", [("self", "warning", "slow")]),
        ([check("service:web-1", "critical", "down")], "critical", [("service:web-1", "critical", "down")]),
        (
            [check("web-1:self", "warning"), check("web-1:reach", "critical")],
            "critical",
            [("reach", "critical", ""), ("self", "warning", "")],
        ),
        ([check("diskFull", "critical", "", "")], "critical", [("diskFull", "critical", "")]),
        (
            [check("_service_maintenance:web-1", "critical", "")],
            "critical",
            [("_service_maintenance:web-1", "critical", "")],
        ),
        ([check("odd", "maintenance")], "critical", [("odd", "critical", "")]),
    ],
)
def test_health_is_the_worst_of_service_and_node(
    checks: list[dict[str, Any]], health: str, failing: list[tuple[str, str, str]]
) -> None:
    found = one(checks=checks)
    assert found.health == health
    assert found.failing == tuple(CheckState(name, Health(state), output) for name, state, output in failing)


@pytest.mark.parametrize(
    ("weights", "status", "weight"),
    [
        ({"Passing": 8, "Warning": 3}, "passing", 8),
        ({"Passing": 8, "Warning": 3}, "warning", 3),
        ({"Passing": 8, "Warning": 0}, "warning", 4),
        ({"Passing": 8, "Warning": 3}, "critical", 8),
        ({"Passing": 0, "Warning": 0}, "passing", 1),
        ({}, "warning", 1),
    ],
)
def test_weights(weights: dict[str, int], status: str, weight: int) -> None:
    assert one({"Weights": weights}, checks=[check("c", status)]).weight == weight


def test_sorted_by_id() -> None:
    found = read(*(entry({"ID": each}) for each in ("c", "a", "b")))
    assert [each.id for each in found] == ["a", "b", "c"]


def test_ids_are_unique_for_a_node_only() -> None:
    """Consul's default id is the name, the same on every node; a client must not take two of them for one."""
    found = read(
        entry({"ID": "web"}), entry({"ID": "web"}, node="n2"), entry({"ID": "x"}), entry({"ID": "x"}, node="n2")
    )
    assert [each.id for each in found] == ["web@n1", "web@n2", "x@n1", "x@n2"]
    assert one({"ID": "web"}).id == "web@n1"


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        (entry({"Port": 0}), "'web-1' on node 'n1': port 0 is not a port"),
        (entry({"Port": 70000}), "port 70000"),
        (entry({"ID": ""}), "no id"),
        (entry({"Address": ""}, Node={"Node": "n1"}), "neither it nor its node has an address"),
        (entry({"Address": "http://10.0.0.1"}), "is not an address"),
        (entry({"Address": "10.0.0.1 "}), "is not an address"),
        (entry({"Port": "80"}), "Expected `int`"),
        (entry({"Tags": "a"}), "Expected `array"),
        (entry(Checks={"a": 1}), "Expected `array"),
        (7, "Expected `object`"),
        (None, "Expected `object`"),
    ],
)
def test_what_makes_no_sense_is_set_aside_and_the_rest_used(bad: Any, why: str) -> None:
    reading = read_instances("web", json.dumps([bad, entry({"ID": "good"})]).encode())
    assert [each.id for each in reading.instances] == ["good"]
    assert len(reading.set_aside) == 1
    assert why in f"{reading.set_aside[0].entry}: {reading.set_aside[0].why}"


def test_text_that_is_no_utf8_costs_only_its_entry() -> None:
    bad = json.dumps(entry({"ID": "bad", "Tags": ["caf?"]})).encode().replace(b"caf?", b"caf\xe9")
    plain = json.dumps({"Service": {"ID": "odd?", "Port": 80}}).encode().replace(b"?", b"\xff")
    reading = read_instances("web", b"[%b,%b,%b]" % (bad, json.dumps(entry({"ID": "good"})).encode(), plain))
    assert [each.id for each in reading.instances] == ["good"]
    assert [each.entry for each in reading.set_aside] == ["'bad'", "'odd\ufffd'"]
    assert "utf-8" in reading.set_aside[0].why


def test_of_two_entries_with_one_id_the_first_is_used() -> None:
    twice = [entry(), entry({"Port": 81}), entry({"ID": "other"})]
    reading = read_instances("web", json.dumps(twice).encode())
    assert [(each.id, each.port) for each in reading.instances] == [("other", 80), ("web-1", 80)]
    assert reading.set_aside == (SetAside("'web-1' on node 'n1'", "an entry before it has the same id"),)


def test_a_flood_of_useless_entries_is_counted_from_some_number_on() -> None:
    bodies = [entry({"ID": f"web-{number}", "Port": 0 if number else 80}) for number in range(1500)]
    reading = read_instances("web", json.dumps(bodies).encode())
    assert [each.id for each in reading.instances] == ["web-0"]
    assert len(reading.set_aside) == 1001
    assert reading.set_aside[-1].entry == "499 more entries"


def test_what_comes_again_is_not_read_again() -> None:
    reader = InstanceReader("web")
    entries = [entry({"ID": f"web-{number}"}) for number in range(5)]
    first = reader.read(json.dumps(entries).encode())
    assert reader.read(json.dumps(entries).encode()) is first
    changed = [*entries[:2], entry({"ID": "web-2", "Port": 81}), *entries[3:]]
    second = reader.read(json.dumps(changed).encode())
    assert [each.port for each in second.instances] == [80, 80, 81, 80, 80]
    assert [a is b for a, b in zip(first.instances, second.instances, strict=True)] == [True, True, False, True, True]
    assert reader.read(b"[]").instances == ()
    assert reader.read(json.dumps([entries[0], entries[0]]).encode()).set_aside
    assert not reader.read(json.dumps([entries[0]]).encode()).set_aside


def test_only_useless_entries_are_somebody_still() -> None:
    reading = read_instances("web", json.dumps([entry({"Port": 0})]).encode())
    assert (reading.instances, reading.anybody) == ((), True)


@pytest.mark.parametrize("body", [b"[]", b"null", b" [ ]\n"])
def test_nobody(body: bytes) -> None:
    assert not read_instances("web", body).anybody


def test_fields_that_are_missing_or_new_or_null() -> None:
    bare = {"Node": {"Node": "n1", "Address": "10.0.0.9"}, "Service": {"ID": "web-1", "Port": 80, "New": {"a": 1}}}
    assert read(bare) == (Instance("web-1", "web", "10.0.0.9", 80),)
    assert read({**bare, "Checks": None}) == (Instance("web-1", "web", "10.0.0.9", 80),)


@pytest.mark.parametrize("body", [b"", b"<html>", b'[{"Node"', b"{}", b"7", b'"x"', b"\xff", b"[" * 5000])
def test_garbage_is_no_answer(body: bytes) -> None:
    with pytest.raises(UNDECODABLE):
        read_instances("web", body)


def test_names() -> None:
    assert read_names(b'{"consul": [], "web": ["a", "b"], "x": null}') == {
        "consul": frozenset(),
        "web": frozenset("ab"),
        "x": frozenset(),
    }
    assert read_names(b"null") == {}
    for garbage in (b"[]", b'{"a": 1}', b"", b"\xff"):
        with pytest.raises(UNDECODABLE):
            read_names(garbage)


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


@settings(deadline=None, max_examples=50)
@given(
    st.lists(
        st.builds(lambda service, node: {"Service": service, "Node": node}, json_values, json_values) | json_values
    )
)
def test_any_json_list_is_read(entries: list[Any]) -> None:
    reading = read_instances("web", json.dumps(entries).encode())
    assert len(reading.instances) + len(reading.set_aside) == len(entries)
