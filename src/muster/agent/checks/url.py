"""A URL that is looked at: its parts, and Go's complaints about what is none (https://pkg.go.dev/net/url)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from urllib.parse import quote, unquote, urljoin, urlsplit

_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_BAD_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2}).{0,2}")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_PATH_SAFE = "/%:@!$&'()*+,;=~-._[]"
_QUERY_SAFE = _PATH_SAFE + '?"<>\\^`{|}'


class BadURL(ValueError):
    """It cannot be asked; the text is Go's. `parsed` tells whether it is a URL at all."""

    def __init__(self, why: str, *, parsed: bool) -> None:
        super().__init__(why)
        self.parsed = parsed


@dataclass(frozen=True, slots=True)
class URL:
    """`host` as it is connected to, without brackets; `authority` and `target` as they go into a request; `user` and
    `password` as they were meant, None where there are none."""

    text: str
    tls: bool
    host: str
    port: int
    authority: str
    target: str
    user: str | None = None
    password: str | None = None


def parse_url(text: str) -> URL:
    """Raises BadURL."""
    _refuse_nonsense(text)
    try:
        parts = urlsplit(text)
    except ValueError:
        raise _unparsed(text, "missing ']' in host") from None
    if parts.scheme not in _DEFAULT_PORTS:
        raise BadURL(f'unsupported protocol scheme "{parts.scheme}"', parsed=True)
    _, _, authority = parts.netloc.rpartition("@")
    port = _port(text, authority) or _DEFAULT_PORTS[parts.scheme]
    if not parts.hostname:
        raise BadURL("http: no Host in request URL", parsed=True)
    if port > 65535:
        raise BadURL(f"dial tcp: address {port}: invalid port", parsed=True)
    query = f"?{quote(parts.query, safe=_QUERY_SAFE)}" if parts.query else ""
    return URL(
        text=text,
        tls=parts.scheme == "https",
        host=parts.hostname,
        port=port,
        authority=authority,
        target=(quote(parts.path, safe=_PATH_SAFE) or "/") + query,
        user=None if parts.username is None else unquote(parts.username),
        password=None if parts.password is None else unquote(parts.password),
    )


def joined(base: URL, location: str) -> URL:
    """Where a redirection from `base` leads. Raises BadURL."""
    return parse_url(urljoin(base.text, location))


def shown(text: str) -> str:
    """A URL as it may be seen: without the password in it."""
    return re.sub(r"^([A-Za-z][A-Za-z0-9+.-]*://[^/?#@]*?):[^/?#@]*@", r"\1:***@", text)


def _refuse_nonsense(text: str) -> None:
    if _CONTROL.search(text):
        raise _unparsed(text, "net/url: invalid control character in URL")
    first_segment = text.partition("/")[0]
    if ":" in first_segment and not _SCHEME.match(text):
        raise _unparsed(text, "first path segment in URL cannot contain colon")
    escape = _BAD_ESCAPE.search(text.partition("?")[0])
    if escape:
        raise _unparsed(text, f'invalid URL escape "{escape[0]}"')


def _port(text: str, authority: str) -> int:
    """The port, 0 where there is none."""
    colon, port = authority.rpartition(":")[1:]
    if not colon or not port or "]" in port:
        return 0
    if not (port.isascii() and port.isdigit()):
        raise _unparsed(text, f'invalid port ":{port}" after host')
    return int(port)


def _unparsed(text: str, why: str) -> BadURL:
    quoted = text.encode("unicode_escape").decode("ascii") if _CONTROL.search(text) else text
    return BadURL(f'parse "{shown(quoted)}": {why}', parsed=False)
