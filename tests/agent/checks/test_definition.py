"""Definitions of checks: how they are read and which are refused."""

from __future__ import annotations

import pytest

from muster.agent.checks.definition import BadCheck, CheckDefinition, Kind, Unsupported, read_definition
from muster.registry.consul.wire import CheckDefinition as Asked


@pytest.mark.parametrize(
    ("asked", "definition"),
    [
        (Asked(ttl="30s"), CheckDefinition(Kind.TTL, ttl=30.0)),
        (Asked(ttl=30_000_000_000), CheckDefinition(Kind.TTL, ttl=30.0)),
        (Asked(tcp="a:1", interval="10s"), CheckDefinition(Kind.TCP, "a:1", interval=10.0)),
        (Asked(tcp="a:1", http="http://a", interval="10s"), CheckDefinition(Kind.HTTP, "http://a", interval=10.0)),
        (Asked(grpc="a:1/s", interval="1s", grpc_use_tls=True), CheckDefinition(Kind.GRPC, "a:1/s", 1.0, tls=True)),
        (Asked(h2ping="a:1", interval="1s"), CheckDefinition(Kind.H2PING, "a:1", 1.0, tls=True)),
        (
            Asked(h2ping="a:1", interval="1s", h2ping_use_tls=False, tls_server_name="n"),
            CheckDefinition(Kind.H2PING, "a:1", 1.0, tls_server_name="n"),
        ),
        (Asked(alias_service="web"), CheckDefinition(Kind.ALIAS, "web")),
        (Asked(alias_node="n", interval="5s"), CheckDefinition(Kind.ALIAS, node="n", interval=5.0)),
        (Asked(script_args=["a", "b"], interval="1s"), CheckDefinition(Kind.SCRIPT, interval=1.0, script=("a", "b"))),
        (
            Asked(tcp="a:1", script_args=["a"], interval="1s"),
            CheckDefinition(Kind.TCP, "a:1", interval=1.0, script=("a",)),
        ),
        (
            Asked(http="http://a", interval="1s", disable_redirects=True),
            CheckDefinition(Kind.HTTP, "http://a", 1.0, follow_redirects=False),
        ),
        (
            Asked(tcp="a:1", interval="1s", failures_before_warning=1, failures_before_critical=3),
            CheckDefinition(Kind.TCP, "a:1", 1.0, failures_before_warning=1, failures_before_critical=3),
        ),
        (
            Asked(ttl="30s", deregister_critical_service_after="1m"),
            CheckDefinition(Kind.TTL, ttl=30.0, deregister_after=60.0),
        ),
        (
            Asked(http="http://a", interval="1s", header={"A": ["b", "c"], "D": None}, method="POST", body="x"),
            CheckDefinition(Kind.HTTP, "http://a", 1.0, method="POST", headers={"A": ("b", "c"), "D": ()}, body="x"),
        ),
    ],
)
def test_what_is_asked_is_read(asked: Asked, definition: CheckDefinition) -> None:
    assert read_definition(asked, refuse_scripts="") == definition


@pytest.mark.parametrize(
    ("asked", "complaint"),
    [
        (Asked(), "TTL must be > 0 for TTL checks"),
        (Asked(ttl="-1s"), "TTL must be > 0 for TTL checks"),
        (Asked(interval="1s"), "TTL must be > 0 for TTL checks"),
        (Asked(ttl="1s", interval="1s"), "Interval and TTL cannot both be specified"),
        (Asked(http="http://a"), "Interval must be > 0 for Script, HTTP, or TCP checks"),
        (Asked(tcp="a:1", interval="-1s"), "Interval must be > 0 for Script, HTTP, or TCP checks"),
        (Asked(tcp="a:1", interval="1s", alias_node="n"), "Interval cannot be set for Alias checks"),
        (Asked(ttl="1s", alias_node="n"), "TTL must be not be set for Alias checks"),
        (Asked(ttl="1s", output_max_size=-1), "MaxOutputMaxSize must be positive"),
        (
            Asked(ttl="1s", failures_before_warning=2, failures_before_critical=1),
            "FailuresBeforeWarning can't be higher than FailuresBeforeCritical",
        ),
    ],
)
def test_what_contradicts_itself_is_refused_in_consuls_words(asked: Asked, complaint: str) -> None:
    with pytest.raises(BadCheck) as caught:
        read_definition(asked)
    assert str(caught.value) == complaint


def test_what_the_agent_does_not_run_is_refused() -> None:
    with pytest.raises(Unsupported, match="Scripts are disabled"):
        read_definition(Asked(script_args=["true"], interval="1s"))
    with pytest.raises(Unsupported, match="Docker"):
        read_definition(Asked(script_args=["true"], docker_container_id="x", interval="1s"), "")


def test_a_bad_duration_is_a_value_error() -> None:
    with pytest.raises(ValueError, match='missing unit in duration "10"'):
        read_definition(Asked(ttl="10"))
