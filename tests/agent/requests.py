"""Requests as strangers send them: every route, parameters that mean something, bodies that nearly fit."""

from __future__ import annotations

import json
import os
from typing import Any, NamedTuple

from hypothesis import strategies as st

from muster.agent.api.app import ROUTES


def examples(usual: int) -> int:
    """How many sequences to try: `usual`, or what MUSTER_FUZZ says for a long run."""
    return int(os.environ.get("MUSTER_FUZZ", usual))


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

_segment = st.sampled_from(_SEGMENTS)
_route = st.sampled_from(sorted(ROUTES.paths))
_path = st.one_of(
    st.builds(str.__add__, _route, _segment),
    st.builds(str.__add__, _route, _segment),
    st.builds("/v1/{}/{}".format, _segment, _segment),
    st.text(max_size=20).map(lambda text: "/" + text),
)
_pair = st.builds("{}={}".format, st.sampled_from(_PARAMETERS), st.sampled_from(_VALUES))
_query = st.lists(_pair | st.sampled_from(_PARAMETERS), max_size=4).map("&".join)
_headers = st.lists(
    st.sampled_from(
        [
            ("accept-encoding", "gzip"),
            ("accept-encoding", "gzip;q=0, *"),
            ("x-consul-namespace", "a"),
            ("x-consul-token", "\x7f"),
            ("content-type", "text/xml"),
        ]
    ),
    max_size=2,
).map(tuple)

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
_templates = st.sampled_from([_check, _service, _registration, _session, _operations, _prepared, *_others])
_other = st.sampled_from(
    ["null", "true", "0", "-1", "9223372036854775808", "1e300", "[]", "{}", '["a"]', '{"a": 1}', "[null]"]
).map(json.loads) | st.sampled_from(["", "a", "10s", "\ud800", "critical", "x" * 300])


@st.composite
def _nearly(draw: st.DrawFn) -> bytes:
    """A body that an endpoint would take, with up to three things in it put wrong."""
    value = json.loads(json.dumps(draw(_templates)))
    for _ in range(draw(st.integers(0, 3))):
        _spoil(draw, value)
    return json.dumps(value).encode("utf-8", "surrogatepass")


def _spoil(draw: st.DrawFn, value: Any) -> None:
    while True:
        places = list(value) if isinstance(value, dict) else list(range(len(value)))
        if not places:
            return
        place = draw(st.sampled_from(places))
        if isinstance(value[place], dict | list) and value[place] and draw(st.booleans()):
            value = value[place]
            continue
        how = draw(st.sampled_from(["replace", "replace", "drop", "case"]))
        if how == "replace":
            value[place] = draw(_other)
        elif how == "drop":
            del value[place]
        elif isinstance(value, dict):
            value[place.swapcase()] = value.pop(place)
        return


_body = st.one_of(_nearly(), _nearly(), _nearly(), st.binary(max_size=30), st.just(b""), st.just(b"[" * 3000))
_method = st.sampled_from(["GET", "GET", "PUT", "PUT", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "BREW"])

requests = st.builds(Asked, _method, _path, _query, _headers, _body)
sequences = st.lists(requests, min_size=1, max_size=8)
