"""Whatever is asked, the API answers once, and never with an error of its own making."""

from __future__ import annotations

import asyncio
import json
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from hypothesis import given, settings
from hypothesis import strategies as st

from muster.agent.api.app import API, ROUTES
from muster.agent.identity import identify
from muster.agent.local import Timing
from muster.agent.settings import InForce, Limits
from muster.agent.state import living_state

EXPECTED = {200, 301, 400, 401, 404, 405, 409, 413, 429, 500, 501, 503}
"""500 is what Consul answers to much that is the client's fault; the test for its text tells ours from a crash."""

_segment = st.sampled_from(["a", "b", "a-1", "service:a-1", "any", "passing", "..", ".", "", "%2F", "%0A", "é", "%"])
_path = st.one_of(
    st.builds(lambda route, rest: route + rest, st.sampled_from(sorted(ROUTES.paths)), _segment),
    st.lists(_segment, max_size=5).map(lambda parts: "/v1/" + "/".join(parts)),
    st.text(max_size=20).map(lambda text: "/" + text),
)
_parameter = st.sampled_from(
    [
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
        "name",
        "node",
    ]
)
_value = st.sampled_from(
    ["", "1", "0", "true", "dc1", "a:b", "10s", "1ms", "-1", "%zz", "%20", "ID==a", "99999999999999999999"]
)
_query = st.lists(st.tuples(_parameter, _value), max_size=4).map(lambda pairs: "&".join(f"{k}={v}" for k, v in pairs))
_definition = st.fixed_dictionaries(
    {"Name": st.sampled_from(["a", "B", "", "x y"])},
    optional={
        "ID": st.sampled_from(["a-1", "a-2", "a/b", ""]),
        "Port": st.integers() | st.text(max_size=3),
        "Tags": st.lists(st.text(max_size=3), max_size=2) | st.none(),
        "Meta": st.dictionaries(st.text(max_size=3), st.text(max_size=3), max_size=2),
        "Check": st.fixed_dictionaries({}, optional={"TTL": _value, "TCP": st.just("a:1"), "Interval": _value}),
        "TTL": _value,
        "Status": st.sampled_from(["passing", "bad", ""]),
    },
)
_body = st.one_of(_definition.map(lambda value: json.dumps(value).encode()), st.binary(max_size=30))
_method = st.sampled_from(["GET", "PUT", "PUT", "POST", "DELETE", "OPTIONS", "HEAD", "BREW"])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(_method, _path, _query, _body), min_size=1, max_size=6))
def test_any_sequence_of_requests_is_answered(requests: list[tuple[str, str, str, bytes]]) -> None:
    asyncio.run(ask_all(requests))


async def ask_all(requests: list[tuple[str, str, str, bytes]]) -> None:
    identity = identify("127.0.0.1", 1, "n", "dc1")
    async with living_state("n", 1000, Timing(), InForce(Limits(max_blocked_queries=10, http_max_body_bytes=1 << 20))) as begin:
        state = begin(identity)
        api = API(state)
        state.waiters.close()
        for method, path, query, body in requests:
            status, answer = await ask(api, method, path, query, body)
            assert status in EXPECTED
            assert status != 200 or method != "GET" or json.loads(answer) is not None or "/catalog/node" in path


async def ask(api: API, method: str, path: str, query: str, body: bytes) -> tuple[int, bytes]:
    sent: list[MutableMapping[str, Any]] = []

    async def receive() -> MutableMapping[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: MutableMapping[str, Any]) -> None:
        sent.append(message)

    raw = path.encode("utf-8", "replace")
    scope = {"type": "http", "method": method, "path": unquote(path), "raw_path": raw, "headers": []}
    await api({**scope, "query_string": query.encode()}, receive, send)
    start, rest = sent
    assert int(dict(start["headers"])[b"content-length"]) == len(rest["body"])
    return start["status"], rest["body"]
