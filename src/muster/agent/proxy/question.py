"""Which requests can share an answer, and what they ask. Pure.

A reader that says `stale` or `cached` takes an answer of any age, and one that blocks wants to hear of the next change;
the answer that is followed for all of them serves both. A plain read must see what was written before it, so it is
passed on, as are `consistent` reads and whatever else Consul offers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import parse_qsl

from muster.registry.consul.duration import parse_duration

Headers = tuple[tuple[str, str], ...]

_SHARED = ("/v1/health/", "/v1/catalog/", "/v1/kv/")
_MEANT = {
    "x-consul-token": "X-Consul-Token",
    "x-consul-namespace": "X-Consul-Namespace",
    "authorization": "Authorization",
    "content-type": "Content-Type",
}


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked upstream. Equal questions have equal answers: rights are part of them.

    `path` is percent-encoded, `params` are sorted and lack `index` and `wait`.
    """

    path: str
    params: tuple[tuple[str, str], ...]
    headers: Headers = ()


@dataclass(frozen=True, slots=True)
class Asked:
    """One reader's share in a question: the index that it knows, 0 for none, and the seconds that it would wait, 0 for
    as long as is usual."""

    question: Question
    index: int = 0
    seconds: float = 0.0


def asked(method: str, path: str, query: str, headers: Headers) -> Asked | None:
    """What a request asks that can be answered for others too; None for one that has to be passed on."""
    if method != "GET" or not path.startswith(_SHARED):
        return None
    params = parse_qsl(query, keep_blank_values=True)
    given = dict(reversed(params))
    index, seconds = _index(given.get("index", "")), _seconds(given.get("wait", ""))
    if index is None or seconds is None or "consistent" in given:
        return None
    if not (index or "stale" in given or "cached" in given):
        return None
    kept = tuple(sorted((name, value) for name, value in params if name not in ("index", "wait")))
    return Asked(Question(path, kept, headers), index, seconds)


def headers_upstream(headers: Iterable[tuple[bytes, bytes]]) -> Headers:
    """The headers of a request that mean something to Consul."""
    found = ((_MEANT.get(name.decode("latin-1").lower()), value) for name, value in headers)
    return tuple(sorted((name, value.decode("latin-1")) for name, value in found if name))


def _index(text: str) -> int | None:
    """None for what is none, which Consul should say."""
    if not text:
        return 0
    return int(text) if text.isascii() and text.isdigit() and len(text) <= 20 else None


def _seconds(text: str) -> float | None:
    try:
        return parse_duration(text) if text else 0.0
    except ValueError:
        return None
