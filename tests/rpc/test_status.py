"""muster.rpc.status: the table against those that it was taken from."""

from __future__ import annotations

import grpc
import pytest

from muster.rpc.status import STATUSES, code_from_http, code_from_micro, reason, status_of


def test_names_and_numbers_are_those_of_grpc() -> None:
    ours = {status.code: status.number for status in STATUSES}
    assert ours == {code.name: code.value[0] for code in grpc.StatusCode}


@pytest.mark.parametrize(
    ("code", "http", "micro"),
    [
        ("OK", 200, 200),
        ("INVALID_ARGUMENT", 400, 400),
        ("FAILED_PRECONDITION", 400, 412),
        ("OUT_OF_RANGE", 400, 500),
        ("UNAUTHENTICATED", 401, 401),
        ("PERMISSION_DENIED", 403, 403),
        ("NOT_FOUND", 404, 404),
        ("ABORTED", 409, 500),
        ("ALREADY_EXISTS", 409, 409),
        ("RESOURCE_EXHAUSTED", 429, 500),
        ("CANCELLED", 499, 500),
        ("INTERNAL", 500, 500),
        ("UNIMPLEMENTED", 501, 501),
        ("UNAVAILABLE", 503, 503),
        ("DEADLINE_EXCEEDED", 504, 408),
        ("NO_SUCH_CODE", 500, 500),
    ],
)
def test_what_a_code_is_elsewhere(code: str, http: int, micro: int) -> None:
    assert (status_of(code).http, status_of(code).micro) == (http, micro)


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (200, "OK"),
        (204, "OK"),
        (304, "OK"),
        (400, "INVALID_ARGUMENT"),
        (404, "NOT_FOUND"),
        (418, "FAILED_PRECONDITION"),
        (429, "RESOURCE_EXHAUSTED"),
        (502, "UNAVAILABLE"),
        (503, "UNAVAILABLE"),
        (504, "DEADLINE_EXCEEDED"),
        (599, "INTERNAL"),
    ],
)
def test_the_code_of_an_http_answer(status: int, code: str) -> None:
    assert code_from_http(status) == code


@pytest.mark.parametrize("code", ["INVALID_ARGUMENT", "UNAUTHENTICATED", "NOT_FOUND", "UNIMPLEMENTED", "UNAVAILABLE"])
def test_there_and_back(code: str) -> None:
    assert code_from_http(status_of(code).http) == code
    assert code_from_micro(status_of(code).micro) == code


def test_an_unknown_go_micro_code_is_unknown() -> None:
    assert code_from_micro(418) == "UNKNOWN"


@pytest.mark.parametrize(("status", "phrase"), [(404, "Not Found"), (499, "Client Closed Request"), (799, "")])
def test_reason_phrases(status: int, phrase: str) -> None:
    assert reason(status) == phrase
