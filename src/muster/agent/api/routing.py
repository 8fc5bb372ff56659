"""Which handler a path and a method mean, by the rules of Go's ServeMux, which Consul uses.

A route whose path ends in `/` takes everything below it, and the longest such path wins; without its final slash the
path is redirected. A path with `//`, `/./` or `/../` is redirected to what it comes to.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from muster.agent.api.answer import HTML, Answer, Query, Stream, text_answer
from muster.agent.api.request import Request
from muster.agent.state import State

Handler = Callable[[State, Request], Answer | Query | Stream]


@dataclass(frozen=True, slots=True)
class Route:
    """A path, a method that it takes, and who handles it."""

    method: str
    path: str
    handler: Handler


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A path with all the methods that it takes."""

    path: str
    handlers: Mapping[str, Handler]

    @property
    def allow(self) -> bytes:
        return ",".join(("OPTIONS", *self.handlers)).encode()


class Router:
    """Endpoints by path. Immutable."""

    def __init__(self, routes: Iterable[Route]) -> None:
        handlers: dict[str, dict[str, Handler]] = {}
        for route in routes:
            handlers.setdefault(route.path, {})[route.method] = route.handler
        self._routes = {path: Endpoint(path, of_path) for path, of_path in handlers.items()}

    @property
    def paths(self) -> frozenset[str]:
        """All paths."""
        return frozenset(self._routes)

    def find(self, path: str) -> tuple[Endpoint, str] | None:
        """The endpoint of a path, and what follows it in the path; None for a path that nothing serves, or that lacks
        its final slash."""
        route = self._routes.get(path)
        if route is not None:
            return route, ""
        if path + "/" in self._routes:
            return None
        end = path.rfind("/")
        while end > 0:
            route = self._routes.get(path[: end + 1])
            if route is not None:
                return route, path[end + 1 :]
            end = path.rfind("/", 0, end)
        return None

    def redirection(self, path: str) -> str | None:
        """Where a path is redirected to, or None."""
        clean = _clean(path)
        if clean + "/" in self._routes and clean not in self._routes:
            return clean + "/"
        return clean if clean != path else None


def redirect(method: str, location: str, query: bytes) -> Answer:
    """301, with a link for people where the method is one that people use."""
    target = quote(location, safe="/:@!$&'()*+,;=~") + (f"?{query.decode('latin-1')}" if query else "")
    headers = ((b"Location", target.encode("latin-1")),)
    if method not in ("GET", "HEAD"):
        return Answer(301, headers=headers)
    body = f'<a href="{escape(target)}">Moved Permanently</a>.\n\n'
    return Answer(301, body.encode(), HTML, headers)


def wrong_method(method: str, endpoint: Endpoint) -> Answer:
    return text_answer(405, f"method {method} not allowed").adding((b"Allow", endpoint.allow))


def _clean(path: str) -> str:
    if "//" not in path and "/." not in path:
        return path
    clean = posixpath.normpath("/" + path.lstrip("/"))
    return clean + "/" if path.endswith("/") and clean != "/" else clean
