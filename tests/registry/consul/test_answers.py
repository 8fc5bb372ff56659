"""From an HTTP status to the error that says who must act: tables, no I/O."""

from __future__ import annotations

import pytest

from muster.model.errors import Denied, RegistryUnavailable, Rejected
from muster.registry.consul.answers import Answer, names_nothing, refusal
from muster.registry.consul.rights import missing_rule, service_rule

RULE = service_rule("greeter", "read")


def answered(status: int, text: str = "", **headers: str) -> Answer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Answer(status, named, text.encode(), "127.0.0.1:8500")


@pytest.mark.parametrize(
    ("answer", "kind", "text"),
    [
        (answered(400, "Missing service name"), Rejected, "Missing service name"),
        (answered(413), Rejected, "answered 413"),
        (answered(403, "Permission denied"), Denied, 'the token lacks: service "greeter" { policy = "read" }'),
        (answered(500, "rpc error: Permission denied"), Denied, RULE),
        (
            answered(403, "Permission denied: Missing service:write on other"),
            Denied,
            'the token lacks: service "other" { policy = "write" }',
        ),
        (answered(403, "ACL not found"), Denied, "does not know the token"),
        (answered(401, "Unauthorized"), Denied, "CONSUL_HTTP_AUTH"),
        (answered(500, "No cluster leader"), RegistryUnavailable, "No cluster leader"),
        (answered(500, "No path to datacenter"), RegistryUnavailable, "No path to datacenter"),
        (answered(404), RegistryUnavailable, "is that a Consul agent?"),
        (answered(301), RegistryUnavailable, "is that a Consul agent?"),
        (answered(502, "<html>\n<b>Bad\tGateway</b>"), RegistryUnavailable, "<html> <b>Bad Gateway</b>"),
    ],
)
def test_refusals(answer: Answer, kind: type[Exception], text: str) -> None:
    error = refusal(answer, RULE)
    assert type(error) is kind
    assert text in str(error)
    assert "127.0.0.1:8500" in str(error)


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (answered(429, "Too many"), 1.0),
        (answered(503), 1.0),
        (answered(429, Retry_After="7"), 7.0),
        (answered(503, Retry_After="Fri, 20 Nov 2026 10:00:00 GMT"), 1.0),
    ],
)
def test_a_busy_agent_is_left_alone_for_a_while(answer: Answer, seconds: float) -> None:
    error = refusal(answer, RULE)
    assert isinstance(error, RegistryUnavailable)
    assert error.retry_after == seconds


@pytest.mark.parametrize(
    ("answer", "nothing"),
    [
        (answered(500, 'CheckID "x" does not have associated TTL'), True),
        (answered(500, 'Unknown check "x"'), True),
        (answered(500, 'Unknown service {"x" {}}'), True),
        (answered(404, 'Unknown service ID "x". Ensure that the service ID is passed, not the service name.'), True),
        (answered(500, "No cluster leader"), False),
        (answered(403, "Permission denied"), False),
        (answered(200), False),
    ],
)
def test_what_is_not_there(answer: Answer, nothing: bool) -> None:
    assert names_nothing(answer) is nothing


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Permission denied: Missing service:write on greeter", 'service "greeter" { policy = "write" }'),
        (
            "Permission denied: token with AccessorID 'x-y' lacks permission 'service:read' on \"a b\"",
            'service "a b" { policy = "read" }',
        ),
        ("lacks permission 'node:read' on \"n1\"", 'node "n1" { policy = "read" }'),
        ("Permission denied", ""),
    ],
)
def test_the_rule_that_consul_names(text: str, rule: str) -> None:
    assert missing_rule(text) == rule


def test_long_and_binary_texts_are_cut_and_cleaned() -> None:
    text = Answer(500, {}, b"\x00\xff\x1b[31m" + b"x" * 10_000, "a:1").text
    assert len(text) <= 310
    assert text.isprintable()


@pytest.mark.parametrize(
    ("headers", "old"),
    [
        ({}, False),
        ({"X-Consul-LastContact": "0", "X-Consul-KnownLeader": "true"}, False),
        ({"X-Consul-LastContact": "9999"}, False),
        ({"X-Consul-LastContact": "10001"}, True),
        ({"X-Consul-LastContact": "0", "X-Consul-KnownLeader": "false"}, True),
        ({"X-Consul-LastContact": "never"}, False),
    ],
)
def test_staleness(headers: dict[str, str], old: bool) -> None:
    assert Answer(200, headers, b"", "a:1").older_than(10.0) is old


@pytest.mark.parametrize("text", ["", "x", "-1", "1.5"])
def test_an_answer_without_index_is_none_of_consuls(text: str) -> None:
    with pytest.raises(RegistryUnavailable, match="is that a Consul agent"):
        _ = Answer(200, {"X-Consul-Index": text}, b"", "a:1").index
