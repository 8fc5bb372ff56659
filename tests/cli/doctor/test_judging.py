"""What the doctor makes of what it sees: tables, no I/O."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muster.cli.doctor import instances, machine, registry
from muster.cli.doctor.finding import Finding, Level
from muster.cli.doctor.instances import Seen
from muster.registry.consul.inspection import Held, Inspection, ahead, held
from muster.registry.consul.wire import AgentService, HealthCheck

WELL = Inspection("127.0.0.1:8500", "n1", "1.8.7", "127.0.0.1:8300", 0.001, 0.2, (), ())
HELD = Held("g-1", "greeter", "10.0.0.1", 80, True, {})


def levels(findings: list[Finding]) -> dict[str, Level]:
    return {finding.about: finding.level for finding in findings}


def test_a_registry_that_is_well() -> None:
    assert set(levels(list(registry.judged(WELL))).values()) == {Level.OK}


@pytest.mark.parametrize(
    ("changed", "about", "level", "says"),
    [
        ({"seconds": 0.4}, "registry", Level.WARNING, "400.0 ms"),
        ({"leader": ""}, "leader", Level.PROBLEM, "nothing can register"),
        ({"ahead": 61.0}, "clock", Level.WARNING, "61 s behind the registry's"),
        ({"ahead": -61.0}, "clock", Level.WARNING, "61 s ahead of the registry's"),
        ({"ahead": None}, "clock", Level.OK, "does not tell"),
        ({"lacking": ('node_prefix "" { policy = "read" }',)}, "token", Level.PROBLEM, "may not read everything"),
    ],
)
def test_a_registry_that_is_not(changed: dict[str, object], about: str, level: Level, says: str) -> None:
    findings = list(registry.judged(replace(WELL, **changed)))  # type: ignore[arg-type]
    [found] = [finding for finding in findings if finding.about == about]
    assert found.level is level
    assert says in found.seen
    assert bool(found.todo) is (level is not Level.OK)


@pytest.mark.parametrize(
    ("date", "now", "found"),
    [
        ("Fri, 20 Nov 2026 12:00:00 GMT", 1795176000.0, 0.0),
        ("Fri, 20 Nov 2026 12:00:00 GMT", 1795176000.9, 0.0),
        ("Fri, 20 Nov 2026 12:00:00 GMT", 1795176090.0, -90.0),
        ("Fri, 20 Nov 2026 12:01:00 GMT", 1795176000.0, 60.0),
        ("", 1.0, None),
        ("yesterday", 1.0, None),
    ],
)
def test_how_far_the_clocks_are_apart(date: str, now: float, found: float | None) -> None:
    assert ahead(date, now) == found


@pytest.mark.parametrize(
    ("seen", "level", "says", "orphan"),
    [
        (Seen(HELD, here=True, listens=True), Level.OK, "none with a problem", ""),
        (Seen(HELD, here=False, listens=False), Level.OK, "none with a problem", ""),
        (Seen(HELD, here=True, listens=False), Level.PROBLEM, "nothing listens at 10.0.0.1:80", "g-1"),
        (Seen(replace(HELD, ours=False), here=True, listens=False), Level.PROBLEM, "nothing listens", ""),
        (Seen(replace(HELD, failing={"x": "a\nb"}), True, True), Level.WARNING, "check 'x' does not pass: a b", ""),
        (Seen(replace(HELD, failing={"x": ""}), True, True), Level.WARNING, "nothing was reported yet", ""),
        (Seen(replace(HELD, failing={"reach": "timeout"}), True, True), Level.PROBLEM, "does not reach it", ""),
        (Seen(replace(HELD, failing={"reach": "refused"}), False, False), Level.WARNING, "'reach' does not pass", ""),
    ],
)
def test_one_instance(seen: Seen, level: Level, says: str, orphan: str) -> None:
    [found] = instances.judged([seen])
    assert (found.level, found.orphan) == (level, orphan)
    assert says in found.seen


def test_two_at_one_address() -> None:
    seen = [Seen(replace(HELD, id=each), True, True) for each in ("g-1", "g-2")]
    [found] = instances.judged([*seen, Seen(replace(HELD, id="g-3", port=81), True, True)])
    assert (found.level, found.about) == (Level.WARNING, "g-1 g-2")
    assert "the same address, 10.0.0.1:80" in found.seen


@pytest.mark.parametrize(
    ("environ", "level", "says", "todo"),
    [
        ({}, Level.OK, "no proxy", False),
        ({"HTTP_PROXY": "http://p:1"}, Level.OK, "no proxy", False),
        ({"http_proxy": "http://p:1"}, Level.WARNING, "http_proxy is set", True),
        ({"http_proxy": "http://p:1", "no_proxy": "10.0.0.0/8"}, Level.WARNING, "but for 10.0.0.0/8", False),
    ],
)
def test_proxies(environ: dict[str, str], level: Level, says: str, todo: bool) -> None:
    [found] = machine.proxies(environ)
    assert (found.level, bool(found.todo)) == (level, todo)
    assert says in found.seen


def test_overrides_that_were_left() -> None:
    assert list(machine.overridden({"MUSTER_REGISTRY": "x"})) == []
    [found] = machine.overridden({"MUSTER_OVERRIDE_GREETER": "127.0.0.1:1"})
    assert found.level is Level.WARNING
    assert "MUSTER_OVERRIDE_GREETER" in found.seen


@pytest.mark.parametrize(
    ("soft", "hard", "level", "todo"),
    [
        (-1, -1, Level.OK, ""),
        (4096, 4096, Level.OK, ""),
        (1024, -1, Level.WARNING, "ulimit -n 4096"),
        (256, 2048, Level.WARNING, "ulimit -n 2048"),
    ],
)
def test_open_files(soft: int, hard: int, level: Level, todo: str) -> None:
    [found] = machine.files(soft, hard)
    assert found.level is level
    assert found.todo.startswith(todo)


def test_what_an_agent_holds() -> None:
    services = {
        "b-1": AgentService(id="b-1", service="b", address="10.0.0.1", port=2, meta={"muster": "1"}),
        "a-1": AgentService(id="a-1", service="a", port=1),
    }
    checks = {
        "1": HealthCheck(name="self", status="critical", output="TTL expired", service_id="b-1"),
        "2": HealthCheck(name="reach", status="passing", service_id="b-1"),
        "3": HealthCheck(name="m", status="critical", notes="why", service_id="a-1"),
    }
    assert held(services, checks) == (
        Held("a-1", "a", "", 1, False, {"m": "why"}),
        Held("b-1", "b", "10.0.0.1", 2, True, {"self": "TTL expired"}),
    )
