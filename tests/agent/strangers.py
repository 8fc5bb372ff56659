"""Requests as strangers send them: every route, parameters that mean something, bodies that nearly fit.

Drawn by a seeded Random rather than hypothesis, which takes some thirty times as long to draw one as the agent to
answer it; a request that fails is short enough as it is.
"""

from __future__ import annotations

import copy
import json
import os
from random import Random
from typing import Any, NamedTuple

from muster.agent.api.app import ROUTES


class Asked(NamedTuple):
    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]
    body: bytes


_UUID = "01234567-89ab-cdef-0123-456789abcdef"
_PARAMETERS = (
    "passing",
    "tag",
    "index",
    "wait",
    "stale",
    "consistent",
    "cached",
    "max_stale",
    "pretty",
    "dc",
    "ns",
    "hash",
    "node-meta",
    "near",
    "filter",
    "note",
    "reason",
    "enable",
    "replace-existing-checks",
    "recurse",
    "keys",
    "separator",
    "cas",
    "flags",
    "acquire",
    "release",
    "raw",
    "name",
    "node",
    "service",
    "payload",
    "token",
    "format",
    "wan",
    "prune",
    "loglevel",
    "limit",
    "explain",
    "ttl",
    "segment",
)
_VALUES = (
    "",
    "1",
    "0",
    "true",
    "false",
    "dc1",
    "dc9",
    "a:b",
    "a",
    "n",
    "10s",
    "1ms",
    "-1s",
    "1e400h",
    "-1",
    "%zz",
    "%20",
    "%00",
    "%ff",
    "%C3%A9",
    "9" * 20,
    "9" * 400,
    "1.5",
    "+1",
    "_agent",
    "text",
    "prometheus",
    _UUID,
    "ID==a",
    "Service+in+Tags",
    "ServiceMeta.a+matches+%22%5B%22",
    "not+" * 30 + "a==b",
    "(" * 60,
    '"',
    "/",
)
_SEGMENTS = (
    "a",
    "b",
    "A-1",
    "a-1",
    "n",
    "service:a-1",
    "any",
    "passing",
    "a/b",
    "..",
    ".",
    "",
    "%2F",
    "%0A",
    "%00",
    "é",
    "%",
    _UUID,
    "x" * 3000,
)

_HEADERS = (
    ("accept-encoding", "gzip"),
    ("accept-encoding", "gzip;q=0, *"),
    ("x-consul-namespace", "a"),
    ("x-consul-token", "\x7f"),
    ("content-type", "text/xml"),
)
_METHODS = ("GET", "GET", "GET", "PUT", "PUT", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "BREW")
_ROUTES = sorted(ROUTES.paths)

_check: dict[str, Any] = {
    "ID": "c",
    "CheckID": "c",
    "Node": "n",
    "Name": "check",
    "Status": "passing",
    "Notes": "",
    "Output": "o",
    "ServiceID": "a-1",
    "TTL": "10s",
}
_service: dict[str, Any] = {
    "ID": "a-1",
    "Name": "a",
    "Tags": ["t"],
    "Meta": {"a": "b"},
    "Port": 80,
    "Address": "127.0.0.1",
    "Weights": {"Passing": 1, "Warning": 1},
    "TaggedAddresses": {"lan": {"Address": "10.0.0.1", "Port": 1}},
    "Check": {"TTL": "10s", "Status": "passing"},
    "Checks": [{"TCP": "127.0.0.1:1", "Interval": "60s", "Timeout": "1s"}],
    "Connect": {"Native": True},
}
_registration: dict[str, Any] = {
    "Node": "m",
    "Address": "10.0.0.2",
    "NodeMeta": {"a": "b"},
    "Service": {"ID": "a-2", "Service": "a", "Tags": ["t"], "Port": 1},
    "Checks": [{"CheckID": "x", "Name": "x", "Status": "critical", "ServiceID": "a-2"}],
}
_session: dict[str, Any] = {"Name": "s", "TTL": "10s", "Behavior": "delete", "LockDelay": "0s", "Checks": []}
_kv: dict[str, Any] = {"Verb": "set", "Key": "a/b", "Value": "YQ==", "Flags": 1, "Index": 0, "Session": _UUID}
_operations: list[Any] = [
    {"KV": _kv},
    {"KV": {"Verb": "get-tree", "Key": ""}},
    {"Node": {"Verb": "set", "Node": {"Node": "m", "Address": "10.0.0.3"}}},
    {"Service": {"Verb": "set", "Node": "n", "Service": {"ID": "z", "Service": "z"}}},
    {"Check": {"Verb": "get", "Check": {"Node": "n", "CheckID": "c"}}},
]
_prepared: dict[str, Any] = {
    "Name": "q",
    "Service": {"Service": "a", "OnlyPassing": True, "Tags": ["!t"], "Near": "_agent", "Failover": {"NearestN": 1}},
    "Template": {"Type": "name_prefix_match", "Regexp": "^(a)"},
    "DNS": {"TTL": "1s"},
}
_others: list[Any] = [
    {"Status": "warning", "Output": "x"},
    {"Node": "m", "ServiceID": "a-2"},
    {"Kind": "service-defaults", "Name": "a", "Protocol": "http"},
    {"Node": "n", "Coord": {"Vec": [0.0] * 8, "Error": 1.5, "Adjustment": 0, "Height": 0}},
    {"CleanupDeadServers": True},
]
_TEMPLATES = (_check, _service, _registration, _session, _operations, _prepared, *_others)
_OTHER: tuple[Any, ...] = (
    *(None, True, 0, -1, 2**63, 1e300, [], {}, ["a"], {"a": 1}, [None]),
    *("", "a", "10s", "\ud800", "critical", "x" * 300),
)


def sequences(seed: int, count: int) -> list[list[Asked]]:
    """So many sequences of up to eight requests, the same for the same seed."""
    rng = Random(seed)
    return [[_asked(rng) for _ in range(rng.randint(1, 8))] for _ in range(count)]


def tried(usual: int) -> int:
    """How many sequences to try: `usual`, or what MUSTER_FUZZ says for a long run."""
    return int(os.environ.get("MUSTER_FUZZ", usual))


def _asked(rng: Random) -> Asked:
    headers = tuple(rng.sample(_HEADERS, rng.choice((0, 0, 1, 2))))
    return Asked(rng.choice(_METHODS), _path(rng), _query(rng), headers, _body(rng))


def _path(rng: Random) -> str:
    kind = rng.random()
    if kind < 0.85:
        return rng.choice(_ROUTES) + rng.choice(_SEGMENTS)
    if kind < 0.95:
        return f"/v1/{rng.choice(_SEGMENTS)}/{rng.choice(_SEGMENTS)}"
    return "/" + "".join(chr(rng.choice((rng.randrange(128), rng.randrange(0xD800)))) for _ in range(rng.randrange(20)))


def _query(rng: Random) -> str:
    names = rng.choices(_PARAMETERS, k=rng.choice((0, 0, 1, 2, 4)))
    return "&".join(name if rng.random() < 0.2 else f"{name}={rng.choice(_VALUES)}" for name in names)


def _body(rng: Random) -> bytes:
    kind = rng.random()
    if kind < 0.8:
        return _nearly(rng)
    return rng.choice((b"", rng.randbytes(30), b"[" * 3000, b'{"a":' * 3000, b"null", b'"a"'))


def _nearly(rng: Random) -> bytes:
    """A body that an endpoint would take, with up to three things in it put wrong."""
    value = copy.deepcopy(rng.choice(_TEMPLATES))
    for _ in range(rng.randint(0, 3)):
        _spoil(rng, value)
    return json.dumps(value).encode()


def _spoil(rng: Random, value: Any) -> None:
    places: list[Any] = list(value) if isinstance(value, dict) else list(range(len(value)))
    if not places:
        return
    place = rng.choice(places)
    how = rng.random()
    if isinstance(value[place], dict | list) and how < 0.6:
        _spoil(rng, value[place])
    elif how < 0.8:
        value[place] = copy.deepcopy(rng.choice(_OTHER))
    elif how < 0.9:
        del value[place]
    elif isinstance(value, dict):
        value[place.swapcase()] = value.pop(place)
