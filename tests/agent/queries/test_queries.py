"""The table of prepared queries. That Consul answers the same is tested in tests/conformance."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from tests.agent.dns.known import NODE, Registry, web

from muster.agent.catalog.rows import NodeRow, ServiceRow
from muster.agent.queries.executing import execute
from muster.agent.queries.queries import BadQuery, Queries
from muster.agent.queries.rows import NAME_PREFIX, PreparedQuery, Template, Wanted
from muster.agent.queries.templates import BadTemplate, check_template, rendered
from muster.agent.store.tables import Tables

PREFIX = Template(NAME_PREFIX)
SESSION = "f004177f-2c28-83b7-4229-eacc25fe55d1"


class Kept:
    def __init__(self) -> None:
        self.tables = Tables(10, lambda topics: None)
        self.queries = Queries(self.tables, lambda session_id: session_id == SESSION)

    def put(self, *queries: PreparedQuery) -> None:
        with self.tables.write() as write:
            for query in queries:
                self.queries.put(write, query)


def query(query_id: str, name: str, template: Template = Template(), **more: str) -> PreparedQuery:
    return PreparedQuery(query_id, name, Wanted(f"service-{query_id}"), template=template, **more)


def test_a_refused_write_leaves_everything_as_it_was() -> None:
    kept = Kept()
    kept.put(query("1", "one"))
    index = kept.queries.index
    with pytest.raises(BadQuery, match="aliases an existing query name"):
        kept.put(query("2", "two"), query("3", "ONE"))
    assert [row.id for row in kept.queries.all()] == ["1"]
    assert kept.queries.meant_by("two") is None
    assert kept.queries.index == index
    kept.put(query("2", "two"))


def test_a_new_name_frees_the_old_one() -> None:
    kept = Kept()
    kept.put(query("1", "old"))
    kept.put(query("1", "new"))
    assert kept.queries.meant_by("old") is None
    kept.put(query("2", "old"))
    first = kept.queries.get("1")
    assert first is not None and first.stamp.created < first.stamp.modified


def test_a_session_ends_its_queries_and_no_others() -> None:
    kept = Kept()
    kept.put(query("1", "", session=SESSION), query("2", "named", session=SESSION), query("3", "other"))
    with kept.tables.write() as write:
        kept.queries.drop_of(write, SESSION)
    assert [row.id for row in kept.queries.all()] == ["3"]
    assert kept.queries.meant_by("named") is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [("a", "1"), ("AX", "1"), ("abc", "3"), ("abcd", "2"), ("z", "4"), ("", "4"), ("3", "3")],
)
def test_which_query_a_name_means(name: str, meant: str) -> None:
    kept = Kept()
    kept.put(query("1", "a", PREFIX), query("2", "ab", PREFIX), query("3", "ABC"), query("4", "", PREFIX))
    found = kept.queries.meant_by(name)
    assert found is not None and found.id == meant


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("${name.full}", "geo-db-eu"),
        ("${name.prefix}+${name.suffix}", "geo-+db-eu"),
        ("${match(1)}/${match(2)}/${match(3)}/${match(0)}", "db/eu//geo-db-eu"),
        ("$${name.full}", "${name.full}"),
        ('a${"}"}b', "a}b"),
        ("cost $5", "cost $5"),
        ("ends in $", "ends in "),
    ],
)
def test_what_a_template_says(text: str, expected: str) -> None:
    template = Template(NAME_PREFIX, "^geo-(.*?)-([^-]+)$")
    asked = replace(query("1", "geo-", template), wanted=Wanted(text, tags=(text,)))
    assert rendered(asked, "geo-db-eu").wanted == Wanted(expected, tags=(expected,))


@pytest.mark.parametrize("text", ["${", "${}", "${1 + 1}", "${unknown}", "${match(x)}", "${match()}", "${lower(a)}"])
def test_what_a_template_cannot_say(text: str) -> None:
    with pytest.raises(BadTemplate):
        check_template(PREFIX, Wanted(text))


def test_a_slow_pattern_holds_up_nobody() -> None:
    template = Template(NAME_PREFIX, "^(a+)+$")
    assert rendered(query("1", "", template), "a" * 5000 + "b").wanted.service == "service-1"


def test_those_near_come_first() -> None:
    registry = Registry()
    registry.put(NODE, web(1), web(2))
    registry.put(
        NodeRow("Far", "10.9.9.9"), *(ServiceRow("Far", f"far-{n}", "web", address=f"10.9.9.{n}") for n in range(8))
    )
    found = execute(registry.catalog, replace(query("1", "q"), wanted=Wanted("web")), Random(1), "here", near="far")
    assert [entry.node.name for entry in found.entries] == ["Far"] * 8 + ["here"] * 2
    local = execute(registry.catalog, replace(query("1", "q"), wanted=Wanted("web", near="_agent")), Random(1), "here")
    assert [entry.node.name for entry in local.entries][:2] == ["here"] * 2
