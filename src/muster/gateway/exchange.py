"""A request and its answer, as the gateway's parts pass them on."""

from __future__ import annotations

from dataclasses import dataclass

Headers = tuple[tuple[bytes, bytes], ...]
"""Names in lower case."""


@dataclass(frozen=True, slots=True)
class Request:
    """A request whose body has arrived. `path` and `query` are as they were sent, percent-encoded."""

    method: str
    path: str
    query: str
    headers: Headers
    body: bytes = b""

    def header(self, name: bytes) -> str | None:
        """The first value of a header, without blanks around it; None if it was not sent. `name` in lower case."""
        found = next((value for key, value in self.headers if key == name), None)
        return None if found is None else found.decode("latin-1").strip()


@dataclass(frozen=True, slots=True)
class Response:
    """An answer with its whole body."""

    status: int
    headers: Headers
    body: bytes
