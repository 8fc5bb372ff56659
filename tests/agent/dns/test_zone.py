"""What is said to which question. That Consul says the same is tested in tests/conformance."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from tests.agent.dns.known import NODE, Registry, web

from muster.agent.catalog.rows import NodeRow, ServiceRow
from muster.agent.dns import zone
from muster.agent.dns.question import Question
from muster.agent.dns.records import Address, Alias, Answer, Location, Pointer, Record, Room, Text
from muster.agent.dns.settings import DNS
from muster.agent.queries.executing import Executed
from muster.model.check import Health


def ask(
    registry: Registry,
    name: str,
    kind: str = "A",
    settings: DNS | None = None,
    seed: int = 0,
    room: Room = Room(65_535),
) -> Answer:
    question = Question(tuple(name.split(".")), kind)
    return zone.answer(registry.known, settings or DNS(), question, room, Random(seed), 1_700_000_000)


@pytest.fixture
def registry() -> Registry:
    return Registry()


@pytest.mark.parametrize(
    ("health", "only_passing", "code"),
    [
        (Health.PASSING, False, "NOERROR"),
        (Health.WARNING, False, "NOERROR"),
        (Health.CRITICAL, False, "NXDOMAIN"),
        (Health.PASSING, True, "NOERROR"),
        (Health.WARNING, True, "NXDOMAIN"),
    ],
)
def test_only_the_healthy_are_told(registry: Registry, health: Health, only_passing: bool, code: str) -> None:
    registry.put(NODE, web(1), health=health)
    assert ask(registry, "web.service.consul", settings=DNS(only_passing=only_passing)).code == code


def test_what_is_not_there_and_what_has_no_such_record(registry: Registry) -> None:
    registry.put(NODE, web(1))
    absent, empty = ask(registry, "nope.service.consul"), ask(registry, "web.service.consul", "AAAA")
    assert (absent.code, empty.code) == ("NXDOMAIN", "NOERROR")
    assert absent.authority == empty.authority != ()
    assert ask(registry, "here.node.consul", "AAAA").authority == ()


def test_the_case_of_a_question_is_kept(registry: Registry) -> None:
    registry.put(NODE, web(1))
    assert ask(registry, "v1.WEB.Service.CONSUL").answer == (Record("v1.WEB.Service.CONSUL", 0, Address("10.0.0.1")),)


def test_instances_are_shuffled(registry: Registry) -> None:
    registry.put(NODE, *(web(number) for number in range(1, 20)))
    orders = {ask(registry, "web.service.consul", seed=seed).answer for seed in range(5)}
    assert len(orders) == 5
    assert len({frozenset(order) for order in orders}) == 1


@pytest.mark.parametrize("kind", ["A", "SRV"])
@pytest.mark.parametrize(
    ("room", "least", "most"), [(Room(512, 3), 4, 4), (Room(512), 8, 33), (Room(65_535), 200, 200)]
)
def test_hardly_more_is_told_than_there_is_room_for(
    registry: Registry, kind: str, room: Room, least: int, most: int
) -> None:
    registry.put(NODE, *(web(number) for number in range(1, 201)))
    assert least <= len(ask(registry, "web.service.consul", kind, room=room).answer) <= most


def test_places_and_weights(registry: Registry) -> None:
    registry.put(
        NODE, web(1, weight_passing=7), web(2, address="", weight_passing=100_000), web(3, address="2001:db8::1")
    )
    registry.put(NODE, web(4, weight_warning=3), health=Health.WARNING)
    told = ask(registry, "web.service.consul", "SRV", DNS(service_ttl={"w*": 5}))
    assert {record.data for record in told.answer} == {
        Location(7, 8001, "0a000001.addr.dc1.consul"),
        Location(1, 8002, "here.node.dc1.consul"),
        Location(1, 8003, "20010db8000000000000000000000001.addr.dc1.consul"),
        Location(3, 8004, "0a000004.addr.dc1.consul"),
    }
    assert Record("here.node.dc1.consul", 5, Address("127.0.0.1")) in told.additional
    assert Record("here.node.dc1.consul", 5, Text("rack=r1")) in told.additional
    plain = ask(registry, "web.service.consul", "SRV", DNS(enable_additional_node_meta_txt=False))
    assert not any(isinstance(record.data, Text) for record in plain.additional)


def test_the_longest_beginning_sets_the_ttl() -> None:
    settings = DNS(service_ttl={"*": 1, "we*": 2, "web": 3, "web-*": 4})
    assert [settings.ttl_of(name) for name in ("db", "west", "WEB", "web-1")] == [1, 2, 3, 4]


def test_an_alias_stands_alone(registry: Registry) -> None:
    registry.put(NODE, web(1, address="one.example.com"), web(2, address="two.example.com"))
    told = ask(registry, "web.service.consul")
    assert len(told.answer) == 1 and isinstance(told.answer[0].data, Alias)
    assert told.foreign == (told.answer[0].data.target,)
    registry.put(NODE, web(3))
    assert [record.data for record in ask(registry, "web.service.consul").answer] == [Address("10.0.0.3")]


def test_a_circle_of_aliases_ends(registry: Registry) -> None:
    registry.put(NodeRow("a", "b.node.consul"))
    registry.put(NodeRow("b", "a.node.consul"))
    assert len(ask(registry, "a.node.consul").answer) == 4


def test_names_of_addresses(registry: Registry) -> None:
    registry.put(NODE, web(1))
    assert ask(registry, "1.0.0.127.in-addr.arpa", "PTR").answer[0].data == Pointer("here.node.dc1.consul")
    assert ask(registry, "1.0.0.10.in-addr.arpa", "PTR").answer[0].data == Pointer("web.service.dc1.consul")
    with registry.tables.write() as write:
        registry.catalog.deregister_service(write, "here", "web-1")
    assert ask(registry, "1.0.0.10.in-addr.arpa", "PTR") == Answer("SERVFAIL", authoritative=False, elsewhere=True)


def test_a_prepared_query_brings_its_ttl(registry: Registry) -> None:
    registry.put(NODE, web(1))
    entries = tuple(registry.catalog.entries("web"))
    registry.queries["q"] = Executed("web", entries, 30)
    registry.queries["r"] = Executed("web", entries)
    settings = DNS(service_ttl={"web": 5})
    assert [ask(registry, f"{name}.query.consul", settings=settings).answer[0].ttl for name in "qr"] == [30, 5]
    assert ask(registry, "nope.query.consul").code == "NXDOMAIN"


def test_outside_the_domain(registry: Registry) -> None:
    assert ask(registry, "www.example.com") == Answer("REFUSED", authoritative=False, elsewhere=True)
    assert ask(registry, "web.service.consul", "AXFR").code == "NOTIMP"


def test_a_node_whose_name_is_no_host_name_is_no_name_server(registry: Registry) -> None:
    known = replace(registry.known, node="dev.box")
    told = zone.answer(known, DNS(), Question(("consul",), "NS"), Room(512), Random(), 1)
    assert told.answer == ()
    registry.put(NODE, ServiceRow("here", "odd", "odd", address="a.b", port=1))
    assert ask(registry, "consul", "NS").answer[0].owner == "consul"
