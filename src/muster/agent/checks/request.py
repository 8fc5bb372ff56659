"""The bytes of a check's HTTP request, in the order and with the headers of Go's client."""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass

from muster.agent.checks.url import URL

Headers = Mapping[str, tuple[str, ...]]

_TOKEN = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_BAD_VALUE = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_DEFAULTS = {"user-agent": ("User-Agent", "Consul Health Check"), "accept": ("Accept", "text/plain, text/*, */*")}
_OURS = frozenset(("host", "user-agent", "content-length", "transfer-encoding", "trailer", "connection"))
"""Headers that are written by themselves, or that an exchange of ours must not have otherwise."""
_WITH_LENGTH = ("POST", "PUT", "PATCH")


class BadRequest(ValueError):
    """The request cannot be written; the text is Go's. `method` tells whether it is its method that cannot."""

    def __init__(self, why: str, *, method: bool = False) -> None:
        super().__init__(why)
        self.method = method


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked. Names of headers do not matter in case; of one with several values each is sent."""

    method: str
    url: URL
    headers: Headers
    body: bytes = b""
    host: str = ""

    @property
    def asks_for_gzip(self) -> bool:
        """Whether the exchange may be compressed on its own account: the check says nothing of that."""
        named = {name.lower() for name in self.headers}
        return self.method != "HEAD" and not named & {"accept-encoding", "range"}


def first_request(method: str, url: URL, headers: Headers, body: str) -> Request:
    """A check's request. A header `Host` takes the place of the URL's own. Raises BadRequest."""
    if not _TOKEN.fullmatch(method):
        raise BadRequest(f'net/http: invalid method "{method}"', method=True)
    for name, values in headers.items():
        _validate(name, values)
    host = next((values[0] for name, values in headers.items() if name.lower() == "host" and values), "")
    return Request(method, url, headers, body.encode(), host)


def written(request: Request) -> bytes:
    """The request as it goes out: name and agent first, then the others by name."""
    given = {name.lower(): values for name, values in request.headers.items()}
    lines = [f"{request.method} {request.url.target} HTTP/1.1", f"Host: {request.host or request.url.authority}"]
    lines += [f"User-Agent: {value}" for value in given.get("user-agent") or (_DEFAULTS["user-agent"][1],)]
    if request.body or request.method in _WITH_LENGTH:
        lines.append(f"Content-Length: {len(request.body)}")
    lines += sorted(_others(request, given), key=lambda line: line.partition(":")[0])
    if request.asks_for_gzip:
        lines.append("Accept-Encoding: gzip")
    head = "\r\n".join([*lines, "Connection: close", "", ""])
    return head.encode("utf-8", "surrogateescape") + request.body


def _others(request: Request, given: Headers) -> list[str]:
    lines = [
        f"{name}: {value}" for name, values in request.headers.items() for value in values if name.lower() not in _OURS
    ]
    if not given.get("accept"):
        lines.append(": ".join(_DEFAULTS["accept"]))
    if request.url.user is not None and "authorization" not in given:
        lines.append(f"Authorization: Basic {_basic(request.url)}")
    return lines


def _basic(url: URL) -> str:
    return base64.b64encode(f"{url.user}:{url.password or ''}".encode()).decode()


def _validate(name: str, values: tuple[str, ...]) -> None:
    if not _TOKEN.fullmatch(name):
        raise BadRequest(f'net/http: invalid header field name "{name}"')
    for value in values:
        if _BAD_VALUE.search(value):
            escaped = value.encode("unicode_escape").decode("ascii")
            raise BadRequest(f'net/http: invalid header field value "{escaped}" for key {name}')
