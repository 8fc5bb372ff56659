"""One table of codes: gRPC's names and numbers, HTTP's status, Go Micro's code.

Names and numbers: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md. HTTP: the mapping that google.rpc.Code
documents (https://github.com/googleapis/googleapis/blob/master/google/rpc/code.proto). Go Micro: errors.go and the
table of its gRPC server; what it has no code for is 500.
"""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus


@dataclass(frozen=True, slots=True)
class Status:
    """One row: what the same thing is called in each protocol."""

    code: str
    number: int
    http: int
    micro: int


STATUSES = (
    Status("OK", 0, 200, 200),
    Status("CANCELLED", 1, 499, 500),
    Status("UNKNOWN", 2, 500, 500),
    Status("INVALID_ARGUMENT", 3, 400, 400),
    Status("DEADLINE_EXCEEDED", 4, 504, 408),
    Status("NOT_FOUND", 5, 404, 404),
    Status("ALREADY_EXISTS", 6, 409, 409),
    Status("PERMISSION_DENIED", 7, 403, 403),
    Status("RESOURCE_EXHAUSTED", 8, 429, 500),
    Status("FAILED_PRECONDITION", 9, 400, 412),
    Status("ABORTED", 10, 409, 500),
    Status("OUT_OF_RANGE", 11, 400, 500),
    Status("UNIMPLEMENTED", 12, 501, 501),
    Status("INTERNAL", 13, 500, 500),
    Status("UNAVAILABLE", 14, 503, 503),
    Status("DATA_LOSS", 15, 500, 500),
    Status("UNAUTHENTICATED", 16, 401, 401),
)

_BY_CODE = {status.code: status for status in STATUSES}
_UNKNOWN = _BY_CODE["UNKNOWN"]

_FROM_HTTP = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    405: "UNIMPLEMENTED",
    408: "DEADLINE_EXCEEDED",
    409: "ABORTED",
    412: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    416: "OUT_OF_RANGE",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}

_REASONS = {499: "Client Closed Request"}
"""Not an IANA status: nginx made it, google.rpc.Code took it over."""

_FROM_MICRO = {
    200: "OK",
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    409: "ALREADY_EXISTS",
    412: "FAILED_PRECONDITION",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
}


def status_of(code: str) -> Status:
    """The row of a gRPC status name. A name that gRPC does not have counts as UNKNOWN, as gRPC itself does it."""
    return _BY_CODE.get(code, _UNKNOWN)


def code_from_http(status: int) -> str:
    """The gRPC status name for an HTTP answer: OK for 1xx to 3xx; an unlisted 4xx or 5xx by its class."""
    if status < 400:
        return "OK"
    return _FROM_HTTP.get(status, "FAILED_PRECONDITION" if status < 500 else "INTERNAL")


def code_from_micro(code: int) -> str:
    """The gRPC status name for the code in a Go Micro error."""
    return _FROM_MICRO.get(code, "UNKNOWN")


def reason(status: int) -> str:
    """The reason phrase of an HTTP status, for people; empty for a number without one."""
    if status in _REASONS:
        return _REASONS[status]
    try:
        return HTTPStatus(status).phrase
    except ValueError:
        return ""
