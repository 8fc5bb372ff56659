"""From a registry URL, or the environment, to the backend that it means.

The first of these that is set:

    the argument
    MUSTER_REGISTRY            a URL
    MICRO_REGISTRY             Go Micro's: a scheme, with MICRO_REGISTRY_ADDRESS as its hosts
    consul://                  with CONSUL_HTTP_ADDR and its siblings

Backends are found by scheme: those of this package by their module, any other in the entry-point group
`muster.registries`, whose functions take (url, environ) and return a `Registry` without I/O.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from importlib.metadata import entry_points
from typing import cast
from urllib.parse import parse_qsl, unquote

from muster.model.errors import BadConfiguration
from muster.registry.protocol import Registry

log = logging.getLogger("muster.registry")

GROUP = "muster.registries"
_BUILT_IN = {
    "consul": "muster.registry.consul:from_url",
    "memory": "muster.registry.memory:from_url",
    "static": "muster.registry.static:from_url",
}
"""Known also where the package's metadata is missing, as in a zip file or a vendored copy."""

_CONSUL_BY_HTTP = {
    "http": "; for Consul write consul://HOST:PORT",
    "https": "; for Consul write consul+https://HOST:PORT",
}
"""What was meant by the schemes that CONSUL_HTTP_ADDR may have."""

_SECRETS = frozenset({"token", "password"})

Opener = Callable[[str, Mapping[str, str]], Registry]


@dataclass(frozen=True, slots=True)
class Choice:
    """A registry URL, and which setting it came from."""

    url: str
    source: str


@dataclass(frozen=True, slots=True)
class Parts:
    """A registry URL taken apart. `authority` may hold several hosts, which is why urllib does not parse it."""

    scheme: str
    authority: str
    path: str
    query: tuple[tuple[str, str], ...]

    @property
    def base_scheme(self) -> str:
        """`consul` of `consul+https`: what chooses the backend."""
        return self.scheme.partition("+")[0]


def open_registry(url: str | None = None, *, environ: Mapping[str, str] = os.environ) -> Registry:
    """The registry that `url` or the environment names. No I/O: it is asked when it is used.

    Raises BadConfiguration for a URL that cannot be used: an unknown scheme (the text lists the known ones), or
    hosts and options that its backend refuses.
    """
    choice = resolve_url(url, environ)
    if choice.source == "MICRO_REGISTRY":
        log.info(
            "registry %s is taken from Go Micro's MICRO_REGISTRY; MUSTER_REGISTRY overrides it", redact(choice.url)
        )
    opener = _opener(split_url(choice.url).base_scheme, choice)
    return opener(choice.url, environ)


def resolve_url(url: str | None, environ: Mapping[str, str]) -> Choice:
    """The URL to open and the setting that decided. Settings that are empty or blank count as not set."""
    if url is not None:
        return Choice(url.strip(), "registry")
    if ours := environ.get("MUSTER_REGISTRY", "").strip():
        return Choice(ours, "MUSTER_REGISTRY")
    if micro := environ.get("MICRO_REGISTRY", "").strip():
        hosts = environ.get("MICRO_REGISTRY_ADDRESS", "").replace(" ", "")
        return Choice(f"{micro}://{hosts}", "MICRO_REGISTRY")
    return Choice("consul://", "default")


def split_url(url: str) -> Parts:
    """Take a registry URL apart; percent-encoding in path and query is decoded. Raises BadConfiguration."""
    scheme, separator, rest = url.partition("://")
    if not separator or not scheme:
        raise BadConfiguration(
            f"{redact(url)!r} is no registry URL: write SCHEME://HOST:PORT, as in consul://127.0.0.1:8500"
        )
    rest, _, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    try:
        pairs = parse_qsl(query, keep_blank_values=True, strict_parsing=bool(query))
    except ValueError as error:
        raise BadConfiguration(f"{redact(url)!r}: options are written as ?name=value&name=value ({error})") from None
    return Parts(scheme.lower(), authority, unquote(slash + path), tuple(pairs))


def redact(url: str) -> str:
    """The URL without its secrets, for logs and error texts: user and password, and options such as `token`."""
    head, separator, rest = url.partition("://")
    rest, mark, query = rest.partition("?")
    authority, slash, path = rest.partition("/")
    authority = authority.rpartition("@")[2]
    options = "&".join(_redact_option(option) for option in query.split("&"))
    return f"{head}{separator}{authority}{slash}{path}{mark}{options}"


def _redact_option(option: str) -> str:
    name, equals, _ = option.partition("=")
    return f"{name}{equals}..." if unquote(name).lower() in _SECRETS else option


def _opener(scheme: str, choice: Choice) -> Opener:
    if target := _BUILT_IN.get(scheme):
        module, _, name = target.partition(":")
        return cast(Opener, getattr(import_module(module), name))
    found = entry_points(group=GROUP, name=scheme)
    if found:
        return cast(Opener, next(iter(found)).load())
    raise BadConfiguration(_unknown_scheme(scheme, choice))


def _unknown_scheme(scheme: str, choice: Choice) -> str:
    known = sorted({*_BUILT_IN, *(point.name for point in entry_points(group=GROUP))})
    origin = "" if choice.source == "registry" else f" (from {choice.source})"
    hint = _CONSUL_BY_HTTP.get(scheme, "")
    return f"unknown registry scheme {scheme!r} in {redact(choice.url)!r}{origin}; known: {', '.join(known)}{hint}"
