"""The catalog's indexes and topics: which write moves what, and whom it concerns."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from muster.agent.catalog.catalog import Catalog, UnknownService
from muster.agent.catalog.rows import CheckRow, NodeRow, ServiceRow
from muster.agent.catalog.topics import (
    CHECKS,
    EXTINCTION,
    NODES,
    SERVICES,
    Topic,
    checks_of,
    checks_on,
    health_of,
    instances_of,
    node_of,
)
from muster.agent.store.tables import Tables
from muster.agent.store.write import Write
from muster.model.check import Health

NODE = NodeRow("n1", "127.0.0.1")
WEB = ServiceRow("n1", "web-1", "web", tags=("a",))
DB = ServiceRow("n1", "db-1", "db")
WEB_CHECK = CheckRow("n1", "web-1:self", "self", Health.PASSING, service_id="web-1", service_name="web")
NODE_CHECK = CheckRow("n1", "serfHealth", "Serf Health Status", Health.PASSING)


class Written(Catalog):
    """A catalog with tables of its own: each call is a write, and returns whom it concerns."""

    def __init__(self, first_index: int = 10) -> None:
        self.together = Tables(first_index, lambda topics: None)
        super().__init__(self.together)

    def put(self, node: NodeRow | None, service: ServiceRow | None = None, *checks: CheckRow) -> set[Topic]:
        with self.together.write() as write:
            self.register(write, node, service, checks)
        return write.topics

    def drop_node(self, name: str) -> set[Topic]:
        with self.together.write() as write:
            self.deregister_node(write, name)
        return write.topics

    def drop_service(self, node: str, service_id: str) -> set[Topic]:
        with self.together.write() as write:
            self.deregister_service(write, node, service_id)
        return write.topics

    def drop_check(self, node: str, check_id: str) -> set[Topic]:
        with self.together.write() as write:
            self.deregister_check(write, node, check_id)
        return write.topics


@pytest.fixture
def catalog() -> Written:
    catalog = Written()
    catalog.put(NODE, None, NODE_CHECK)
    return catalog


def test_a_registration_takes_one_index_for_all_it_writes(catalog: Written) -> None:
    before = catalog.index
    catalog.put(None, WEB, WEB_CHECK)
    (entry,) = catalog.entries("web")
    assert catalog.index == before + 1
    assert {entry.service.stamp.created, *(c.stamp.created for c in entry.checks[1:])} == {catalog.index}


def test_the_same_again_moves_nothing_and_concerns_nobody(catalog: Written) -> None:
    catalog.put(None, WEB, WEB_CHECK)
    before = catalog.index
    assert catalog.put(NODE, WEB, WEB_CHECK, NODE_CHECK) == set()
    assert catalog.index == before


def test_a_new_instance_concerns_its_name_and_the_table(catalog: Written) -> None:
    assert catalog.put(None, WEB) == {SERVICES, node_of("n1"), instances_of("web"), health_of("web")}


def test_a_check_concerns_the_health_but_not_the_instances(catalog: Written) -> None:
    catalog.put(None, WEB)
    catalog.put(None, DB)
    topics = catalog.put(None, None, WEB_CHECK)
    assert topics == {CHECKS, checks_on("n1"), health_of("web"), checks_of("web")}
    assert catalog.index_of("web") == catalog.index
    assert catalog.index_of("db") == catalog.index - 1


def test_a_nodes_check_concerns_the_health_of_all_on_it(catalog: Written) -> None:
    catalog.put(None, WEB)
    catalog.put(None, DB)
    topics = catalog.put(None, None, replace(NODE_CHECK, status=Health.CRITICAL))
    assert topics == {CHECKS, checks_on("n1"), health_of("web"), health_of("db")}
    assert catalog.index_of("web") == catalog.index_of("db") == catalog.index


def test_a_changed_node_concerns_all_on_it(catalog: Written) -> None:
    catalog.put(None, WEB)
    topics = catalog.put(replace(NODE, address="10.0.0.1"))
    assert topics == {NODES, node_of("n1"), instances_of("web"), health_of("web")}


def test_a_port_alone_concerns_the_list_of_services(catalog: Written) -> None:
    catalog.put(None, WEB)
    assert SERVICES in catalog.put(None, replace(WEB, port=81))
    (row,) = catalog.instances("web")
    assert (row.stamp.created, row.stamp.modified) == (catalog.index - 1, catalog.index)


def test_the_last_instance_leaving_is_an_extinction(catalog: Written) -> None:
    other = replace(WEB, id="web-2")
    catalog.put(None, WEB, WEB_CHECK)
    catalog.put(None, other)
    assert EXTINCTION not in catalog.drop_service("n1", "web-2")
    assert EXTINCTION in catalog.drop_service("n1", "web-1")
    assert catalog.index_of("web") == catalog.index_of("never heard of") == catalog.index
    assert catalog.checks() == catalog.checks()[:1]


def test_an_index_is_never_zero() -> None:
    assert Written(first_index=0).index_of("anything") >= 1


def test_unknown_ids_are_no_change(catalog: Written) -> None:
    before = catalog.index
    assert not catalog.drop_service("n1", "nobody")
    assert not catalog.drop_service("nowhere", "nobody")
    assert not catalog.drop_check("n1", "nothing")
    assert catalog.index == before


def test_a_check_of_an_unknown_instance_is_refused_and_nothing_is_written(catalog: Written) -> None:
    before = catalog.index
    with pytest.raises(UnknownService):
        catalog.put(replace(NODE, address="10.0.0.1"), None, WEB_CHECK)
    assert catalog.index == before
    assert catalog.node("n1").address == NODE.address


def test_a_check_has_the_tags_of_when_it_was_written(catalog: Written) -> None:
    catalog.put(None, WEB, WEB_CHECK)
    catalog.put(None, replace(WEB, tags=("b",)))
    assert [check.service_tags for check in catalog.checks_of("web")] == [("a",)]
    catalog.put(None, None, WEB_CHECK)
    assert [check.service_tags for check in catalog.checks_of("web")] == [("b",)]


def test_an_id_that_moves_to_another_name_leaves_the_old_one(catalog: Written) -> None:
    catalog.put(None, WEB, WEB_CHECK)
    topics = catalog.put(None, replace(WEB, name="shop"))
    assert {EXTINCTION, health_of("web"), health_of("shop")} <= topics
    assert not catalog.exists("web")
    assert [check.service_name for check in catalog.entries("shop")[0].checks[1:]] == ["shop"]


def test_a_check_that_moves_to_another_instance_leaves_the_first(catalog: Written) -> None:
    catalog.put(None, WEB, WEB_CHECK)
    catalog.put(None, DB)
    topics = catalog.put(None, None, replace(WEB_CHECK, service_id="db-1"))
    assert {health_of("web"), health_of("db")} <= topics
    assert catalog.checks_of("web") == []
    assert len(catalog.checks_of("db")) == 1


def test_names_match_without_regard_to_case(catalog: Written) -> None:
    catalog.put(None, replace(WEB, name="Web"))
    assert catalog.exists("wEB")
    assert len(catalog.entries("web")) == 1
    assert list(catalog.services()) == ["Web"]


def test_lists_are_in_order_of_node_and_id(catalog: Written) -> None:
    catalog.put(NodeRow("A", "10.0.0.2"))
    for row in (WEB, replace(WEB, id="b", node="A"), replace(WEB, id="a", node="A"), replace(WEB, id="0")):
        catalog.put(None, row)
    assert [(row.node, row.id) for row in catalog.instances("web")] == [
        ("A", "a"),
        ("A", "b"),
        ("n1", "0"),
        ("n1", "web-1"),
    ]
    assert [row.name for row in catalog.nodes()] == ["A", "n1"]


def test_a_name_has_the_tags_of_all_its_instances(catalog: Written) -> None:
    catalog.put(None, WEB)
    catalog.put(None, replace(WEB, id="web-2", tags=("b", "a")))
    assert catalog.services() == {"web": ["a", "b"]}


PROXY = ServiceRow("n1", "side", "web-side", kind="connect-proxy", proxy={"DestinationServiceName": "web"})


def everything(catalog: Catalog) -> object:
    """What any reader can see, rows and indexes."""
    names = ("web", "db", "web-side", "never heard of")
    return (
        catalog.index,
        catalog.nodes(),
        catalog.services(),
        catalog.checks(),
        [(row, row.stamp) for name in names for row in catalog.instances(name)],
        [(catalog.entries(name), catalog.connected(name), catalog.checks_of(name)) for name in names],
        [(catalog.index_of(name), catalog.connected_index(name)) for name in names],
        [(catalog.services_on(name), catalog.checks_on(name), catalog.node_index(name)) for name in ("n1", "n2")],
        [catalog.table_index(table) for table in (NODES, SERVICES, CHECKS)],
        catalog.node_with("one"),
    )


def _overwrite(catalog: Catalog, write: Write) -> None:
    catalog.register(write, replace(NODE, address="10.0.0.9"), replace(WEB, name="Shop", port=5), [WEB_CHECK])
    catalog.register(write, None, replace(PROXY, proxy={"DestinationServiceName": "db"}))
    catalog.register(write, None, DB, [replace(WEB_CHECK, service_id="db-1")])


def _rename_and_drop(catalog: Catalog, write: Write) -> None:
    catalog.register(write, NodeRow("n2", "127.0.0.2", id="one"), replace(WEB, node="n2"))
    catalog.register(write, NODE, DB)
    catalog.deregister_node(write, "n1")
    catalog.deregister_service(write, "n2", "web-1")


@pytest.mark.parametrize("change", [_overwrite, _rename_and_drop])
def test_what_is_taken_back_was_never_seen(change: Callable[[Catalog, Write], None]) -> None:
    catalog = Written()
    catalog.put(replace(NODE, id="one"), WEB, NODE_CHECK, WEB_CHECK)
    catalog.put(None, PROXY)
    before = everything(catalog)
    with pytest.raises(ZeroDivisionError), catalog.together.write() as write:
        change(catalog, write)
        assert everything(catalog) != before
        raise ZeroDivisionError
    assert everything(catalog) == before
