"""muster.gateway.problem: what each error means to an HTTP client, by a table."""

from __future__ import annotations

import json

import pytest

from muster.gateway.problem import discreet, problem_of, refused
from muster.model.errors import (
    BadConfiguration,
    Denied,
    Fault,
    MusterError,
    NoInstances,
    NotRegistered,
    Overloaded,
    RegistryUnavailable,
    Rejected,
)


@pytest.mark.parametrize(
    ("error", "status", "code", "detail"),
    [
        (refused(415, "INVALID_ARGUMENT", "no JSON"), 415, "INVALID_ARGUMENT", "no JSON"),
        (Fault("NOT_FOUND", "no such order"), 404, "NOT_FOUND", "no such order"),
        (Fault("DEADLINE_EXCEEDED", "late"), 504, "DEADLINE_EXCEEDED", "late"),
        (Fault("INTERNAL"), 500, "INTERNAL", "the service answered INTERNAL and said no more"),
        (Fault("ODD", "x"), 500, "ODD", "x"),
        (NoInstances("x", "nobody"), 404, "NOT_FOUND", "no service 'x' is registered"),
        (NoInstances("x", "2 critical", known=True), 503, "UNAVAILABLE", "no instance of 'x' to call: 2 critical"),
        (RegistryUnavailable("away"), 503, "UNAVAILABLE", "away"),
        (Overloaded("too many"), 503, "UNAVAILABLE", "too many"),
        (Rejected("two fit"), 400, "INVALID_ARGUMENT", "two fit"),
        (Denied("no", rule='service_prefix "" { policy = "read" }'), 500, "INTERNAL", "its log says why"),
        (BadConfiguration("MUSTER_OVERRIDE_X: 'y' has no port"), 500, "INTERNAL", "its log says why"),
        (NotRegistered("x", "consul"), 500, "INTERNAL", "consul does not know"),
    ],
)
def test_what_errors_mean(error: MusterError, status: int, code: str, detail: str) -> None:
    problem = problem_of(error)
    assert (problem.status, problem.code) == (status, code)
    assert detail in problem.detail


@pytest.mark.parametrize(
    "error",
    [
        RegistryUnavailable("Consul at 10.0.0.1:8500: connection refused", retry_after=7.0),
        NoInstances("x", "1 critical (reach: 10.0.0.2:9000)", known=True),
        Fault("UNAVAILABLE", "x-1 at 10.0.0.2:9000: Stream removed"),
    ],
)
def test_strangers_hear_of_no_addresses(error: MusterError) -> None:
    frank, told = problem_of(error), problem_of(discreet(error))
    assert "10.0.0." in frank.detail
    assert "10.0.0." not in told.detail
    assert (told.status, told.code, told.headers) == (frank.status, frank.code, frank.headers)


def test_what_is_the_callers_own_is_told_to_strangers_too() -> None:
    error = Fault("INVALID_ARGUMENT", "field 'nme' is unknown")
    assert discreet(error) is error


@pytest.mark.parametrize(
    ("error", "seconds"),
    [
        (NoInstances("x", "busy", known=True), b"1"),
        (Fault("UNAVAILABLE", "busy"), b"1"),
        (RegistryUnavailable("away", retry_after=7.6), b"8"),
        (RegistryUnavailable("away", retry_after=0.01), b"1"),
        (Fault("INTERNAL", "x"), None),
    ],
)
def test_503_tells_when_to_come_back(error: MusterError, seconds: bytes | None) -> None:
    assert dict(problem_of(error).headers).get(b"retry-after") == seconds


def test_half_a_surrogate_pair_can_be_told() -> None:
    response = problem_of(Fault("INVALID_ARGUMENT", "\ud800 ü")).response("/")
    assert json.loads(response.body)["detail"] == "\\ud800 ü"


def test_a_problem_as_rfc_9457_has_it() -> None:
    response = problem_of(Fault("NOT_FOUND", "no such order: ü")).response("/shop/till/sell")
    assert response.status == 404
    assert dict(response.headers)[b"content-type"] == b"application/problem+json"
    assert json.loads(response.body) == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no such order: ü",
        "instance": "/shop/till/sell",
        "code": "NOT_FOUND",
    }
