"""Where an HTTP check goes on when its target sends it elsewhere, by the rules of Go's client."""

from __future__ import annotations

import re
from dataclasses import replace
from urllib.parse import urlsplit

from muster.agent.checks.exchange import Response
from muster.agent.checks.request import Headers, Request
from muster.agent.checks.url import URL, joined

MOST_REQUESTS = 10
_BECOME_GET = (301, 302, 303)
_STAY_AS_THEY_ARE = (307, 308)
_SECRETS = ("authorization", "cookie", "cookie2", "www-authenticate")
"""Headers that are not for another host."""


class NoLocation(Exception):
    """A redirection that does not say where to."""


def location_of(response: Response) -> str | None:
    """Where an answer sends the check, None where it is the answer. Raises NoLocation."""
    location = response.headers.get("location", "")
    if response.status in _STAY_AS_THEY_ARE:
        return location or None
    if response.status not in _BECOME_GET:
        return None
    if not location:
        raise NoLocation(f"{response.status} response missing Location header")
    return location


def redirected(request: Request, status: int, location: str) -> Request:
    """The request that follows one that was answered with a redirection. Raises BadURL."""
    url = joined(request.url, location)
    headers = _without_secrets(request.headers) if url.host != request.url.host else request.headers
    headers = {name: values for name, values in headers.items() if name.lower() != "referer"}
    referer = _referer(request.url, url)
    if referer:
        headers["Referer"] = (referer,)
    host = "" if urlsplit(location).netloc else request.host
    if status in _BECOME_GET and request.method not in ("GET", "HEAD"):
        return Request("GET", url, headers, host=host)
    return replace(request, url=url, headers=headers, host=host)


def _without_secrets(headers: Headers) -> Headers:
    return {name: values for name, values in headers.items() if name.lower() not in _SECRETS}


def _referer(last: URL, url: URL) -> str:
    """Where the check comes from: without name and password, and not where that was safer than where it goes."""
    return "" if last.tls and not url.tls else re.sub(r"(?<=://)[^/?#@]*@", "", last.text)
