"""Errors as RFC 9457 has them: application/problem+json, both ways. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import msgspec

from muster.model.errors import Fault
from muster.rpc.status import code_from_http, reason, status_of

CONTENT_TYPE = "application/problem+json"

Headers = tuple[tuple[bytes, bytes], ...]

_MOST = 500
"""Characters of a foreign error page that an error's text quotes."""


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a request has no answer. `code` is a gRPC status name, a member of our own (RFC 9457, section 3.2)."""

    status: int
    code: str
    detail: str
    headers: Headers = ()

    @property
    def body(self) -> bytes:
        members = {"type": "about:blank", "title": reason(self.status), "status": self.status}
        return msgspec.json.encode({**members, "detail": _encodable(self.detail), "code": self.code})


class Refused(Exception):
    """A request that no handler gets to see."""

    def __init__(self, status: int, code: str, detail: str, *headers: tuple[bytes, bytes]) -> None:
        super().__init__(detail)
        self.problem = Problem(status, code, detail, headers)


def problem_of(fault: Fault) -> Problem:
    """What a handler's Fault is to an HTTP client."""
    return Problem(status_of(fault.code).http, fault.code, fault.detail)


def fault_of(status: int, content_type: str, body: bytes) -> Fault:
    """The Fault that an answer with `status`, not 2xx, stands for; by the status where it is no problem of ours,
    as a proxy's or a foreign server's."""
    members = _members(body) if content_type.partition(";")[0].strip() == CONTENT_TYPE else {}
    told, detail = members.get("code"), members.get("detail")
    if isinstance(told, str) and isinstance(detail, str):
        return Fault(told, detail)
    text = detail if isinstance(detail, str) else body[:_MOST].decode(errors="replace").strip()
    code = "UNKNOWN" if status < 400 else code_from_http(status)
    return Fault(code, f"HTTP {status}: {text}" if text else f"HTTP {status} {reason(status)}")


def _members(body: bytes) -> dict[str, Any]:
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError):
        return {}
    return value if isinstance(value, dict) else {}


def _encodable(text: str) -> str:
    """Text may hold half of a surrogate pair, which cannot be sent as it is."""
    return text.encode(errors="backslashreplace").decode()
