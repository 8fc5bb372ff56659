"""Checks that are what other checks are."""

from __future__ import annotations

import asyncio

import pytest

from muster.agent.catalog.rows import CheckRow
from muster.agent.catalog.topics import checks_on, node_of
from muster.agent.checks.alias import Aliases, judged
from muster.agent.checks.definition import CheckDefinition, Kind
from muster.agent.checks.state import Result
from muster.model.check import Health

pytestmark = pytest.mark.anyio

P, W, C = Health.PASSING, Health.WARNING, Health.CRITICAL
OF_WEB = CheckDefinition(Kind.ALIAS, "web")
OF_NODE = CheckDefinition(Kind.ALIAS, node="n")


def check(name: str, status: Health, service_id: str = "web") -> CheckRow:
    return CheckRow("n", name, name, status, output=f"{name} says", service_id=service_id)


@pytest.mark.parametrize(
    ("checks", "alias", "result"),
    [
        ([], OF_WEB, Result(P, "No checks found.")),
        ([check("a", P)], OF_WEB, Result(P, "All checks passing.")),
        ([check("a", W), check("b", P)], OF_WEB, Result(W, 'Aliased check "a" failing: a says')),
        ([check("a", W), check("b", W)], OF_WEB, Result(W, 'Aliased check "b" failing: b says')),
        ([check("a", W), check("b", C), check("c", W)], OF_WEB, Result(C, 'Aliased check "b" failing: b says')),
        ([check("a", C, "other"), check("b", P)], OF_WEB, Result(P, "All checks passing.")),
        ([check("a", C, ""), check("b", P)], OF_WEB, Result(C, 'Aliased check "a" failing: a says')),
        ([check("a", C), check("b", P, "")], OF_NODE, Result(P, "All checks passing.")),
        ([check("me", C), check("b", P)], OF_WEB, Result(P, "All checks passing.")),
    ],
)
def test_an_alias_is_what_the_checks_of_its_service_and_node_are(
    checks: list[CheckRow], alias: CheckDefinition, result: Result
) -> None:
    assert judged(checks, alias, "me", exists=True) == result


def test_an_alias_of_nothing_is_critical() -> None:
    web = judged([check("a", P, "")], OF_WEB, "me", exists=False)
    assert web == Result(C, "Service web could not be found on node ")
    assert judged([], OF_NODE, "me", exists=False) == Result(C, "Node n could not be found")


def test_aliases_of_each_other_do_not_grow_without_end() -> None:
    alias = CheckRow("n", "a", "a", C, output="x" * 10_000, service_id="web", type="alias")
    assert len(judged([alias], OF_WEB, "me", exists=True).output) == 8192


def test_what_a_check_found_is_told_whole_and_again_by_an_alias_of_the_alias() -> None:
    output = "x" * 4096 + " ... (captured 4096 of 5000 bytes)"
    check = CheckRow("n", "a", "a", C, output=output, service_id="web", type="ttl")
    told = judged([check], OF_WEB, "me", exists=True).output
    assert told == f'Aliased check "a" failing: {output}'
    alias = CheckRow("n", "b", "b", C, output=told, service_id="web", type="alias")
    assert judged([alias], OF_WEB, "me", exists=True).output == f'Aliased check "b" failing: {told}'


async def test_only_the_aliases_concerned_look_and_once_for_several_changes() -> None:
    looked: list[str] = []
    aliases = Aliases(looked.append)
    aliases.start("a", "N1")
    aliases.start("b", "n2")
    assert looked == []
    await asyncio.sleep(0)
    assert looked == ["a", "b"]
    aliases.heed([checks_on("n1"), node_of("n1")])
    aliases.heed([checks_on("n1")])
    await asyncio.sleep(0)
    assert looked == ["a", "b", "a"]
    aliases.heed([node_of("n2")])
    aliases.stop("b")
    aliases.stop("b")
    aliases.heed([node_of("n2")])
    await asyncio.sleep(0)
    assert looked == ["a", "b", "a"]
