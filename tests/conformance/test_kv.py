"""Keys, sessions and locks."""

from __future__ import annotations

import asyncio
import uuid
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

KV, SESSION = "/v1/kv/like-consul/", "/v1/session/"

KEYS: list[tuple[str, str, str | None]] = [
    ("GET", "none", None),
    ("GET", "?recurse", None),
    ("GET", "?keys", None),
    ("PUT", "a/b", "hello"),
    ("GET", "a/b", None),
    ("PUT", "a/b?flags=42", "hello"),
    ("GET", "a/b", None),
    ("PUT", "a/b?flags=x", "h"),
    ("PUT", "a/b?flags=-1", "h"),
    ("PUT", "a/b?flags=18446744073709551615", "h"),
    ("PUT", "a/b?flags=18446744073709551616", "h"),
    ("PUT", "a/b?cas=x", "h"),
    ("PUT", "a/b?cas=", "h"),
    ("PUT", "a/b?cas=0", "h"),
    ("PUT", "new?cas=0", "h"),
    ("PUT", "new?cas=1", "h"),
    ("PUT", "empty", None),
    ("GET", "empty", None),
    ("GET", "empty?raw", None),
    ("GET", "a/b?raw=false", None),
    ("GET", "none?raw", None),
    ("PUT", "a/c/d", "x"),
    ("PUT", "a/c/e", "x"),
    ("PUT", "%C3%A9", "x"),
    ("PUT", "cf%2Fa", "x"),
    ("GET", "cf/a", None),
    ("GET", "a?recurse", None),
    ("GET", "a?keys", None),
    ("GET", "?keys&separator=/", None),
    ("GET", "a/?keys&separator=/", None),
    ("GET", "a/?keys&separator=c/", None),
    ("GET", "a/?keys&separator=", None),
    ("GET", "a/b?keys&recurse", None),
    ("GET", "a/b/?keys", None),
    ("GET", "a?recurse&stale", None),
    ("GET", "a?stale&consistent", None),
    ("GET", "a?index=x", None),
    ("GET", "a?dc=nowhere", None),
    ("PUT", "a?dc=nowhere", "x"),
    ("PUT", "big", "x" * (512 * 1024)),
    ("PUT", "big", "x" * (512 * 1024 + 1)),
    ("PUT", "a//b", "x"),
    ("POST", "a", "x"),
    ("OPTIONS", "a", None),
    ("DELETE", "none", None),
    ("DELETE", "none?cas=5", None),
    ("DELETE", "new?cas=0", None),
    ("DELETE", "new?cas=1", None),
    ("DELETE", "new?cas=x", None),
    ("DELETE", "a/?recurse&cas=1", None),
    ("DELETE", "new", None),
    ("GET", "new", None),
    ("DELETE", "a?recurse", None),
    ("GET", "?keys", None),
    ("DELETE", "?recurse", None),
    ("GET", "?keys", None),
]


async def test_keys(both: Any) -> None:
    try:
        for method, path, body in KEYS:
            await both.ask(method, KV + path, body)
        for method in ("GET", "PUT", "DELETE"):
            await both.ask(method, "/v1/kv/", "x" if method == "PUT" else None)
    finally:
        await both.each("DELETE", f"{KV}?recurse")


class Holders:
    """Sessions of the same names at both, `{name}` in a path being the id at whoever is asked."""

    def __init__(self, both: Any) -> None:
        self.both = both
        self.ids: list[dict[str, str]] = [{}, {}]

    async def create(self, holder: str, **asked: Any) -> None:
        replies = await self.both.each("PUT", f"{SESSION}create", asked)
        for ids, reply in zip(self.ids, replies, strict=True):
            ids[holder] = reply.json["ID"]

    async def ask(self, method: str, path: str, body: Any = None) -> Any:
        addresses = (self.both.real, self.both.agent)
        real, ours = [
            self.both.comparable(await self.both.send(address, method, path.format(**ids), body))
            for address, ids in zip(addresses, self.ids, strict=True)
        ]
        assert ours == real, f"{method} {path}"
        return ours[2]

    async def end(self) -> None:
        for address, ids in zip((self.both.real, self.both.agent), self.ids, strict=True):
            for session_id in ids.values():
                await self.both.send(address, "PUT", f"{SESSION}destroy/{session_id}")


REFUSED: list[Any] = [
    "{",
    {"TTL": "5s"},
    {"TTL": "48h"},
    {"TTL": "x"},
    {"TTL": 5},
    {"Behavior": "x"},
    {"LockDelay": "x"},
    {"Checks": ["none"]},
    {"NodeChecks": ["none"]},
    {"ServiceChecks": [{"ID": "x"}]},
    {"Node": "nowhere"},
    {"Name": 5},
]

CREATED: list[dict[str, Any]] = [
    {},
    {"Name": "n", "TTL": "10s", "LockDelay": "5s", "Behavior": "delete"},
    {"LockDelay": 5},
    {"LockDelay": 5_000_000_000},
    {"LockDelay": "0s"},
    {"LockDelay": "70s"},
    {"Checks": []},
    {"NodeChecks": []},
    {"ServiceChecks": []},
    {"ServiceChecks": None},
    {"NodeChecks": ["serfHealth"], "X": 1},
    {"name": "lower", "ttl": "20s"},
    {"TTL": "0s"},
]


async def test_sessions(both: Any) -> None:
    for body in REFUSED:
        status, _, _ = await both.ask("PUT", f"{SESSION}create", body)
        assert status in (400, 500)
    holders, nobody = Holders(both), str(uuid.uuid4())
    try:
        for number, asked in enumerate(CREATED):
            await holders.create(f"s{number}", **asked)
            await holders.ask("GET", f"{SESSION}info/{{s{number}}}")
        await holders.ask("PUT", f"{SESSION}renew/{{s1}}")
        for path in ("info/", "info/abc", f"info/{nobody}", "node/", "node/nowhere", "node/nowhere?dc=x"):
            await both.ask("GET", SESSION + path)
        for path in ("renew/", "renew/abc", f"renew/{nobody}", "destroy/", "destroy/abc", f"destroy/{nobody}"):
            await both.ask("PUT", SESSION + path)
    finally:
        await holders.end()


LOCKING: list[tuple[str, str, str | None]] = [
    ("PUT", "l?acquire={a}", "v1"),
    ("PUT", "l?acquire={b}", "v2"),
    ("PUT", "l?acquire={a}", "v3"),
    ("PUT", "l", "plain"),
    ("PUT", "l?cas=0", "x"),
    ("PUT", "l?release={b}", "x"),
    ("PUT", "l?release={a}", "rel"),
    ("PUT", "l?release={a}", "rel"),
    ("PUT", "l?acquire={a}&flags=3", "x"),
    ("PUT", "l?acquire=abc", None),
    ("PUT", f"l?acquire={uuid.UUID(int=1)}", None),
    ("PUT", f"l?release={uuid.UUID(int=1)}", None),
    ("PUT", "l?release=abc", None),
    ("PUT", "l?acquire=", None),
    ("PUT", "l?acquire=x&cas=1", None),
    ("PUT", "none?release={a}", "x"),
    ("PUT", "none?release=", "x"),
    ("PUT", "none?acquire=", "x"),
    ("PUT", "m?acquire={b}", "m"),
    ("PUT", "n?acquire={c}", "n"),
    ("DESTROY", "{b}", None),
    ("PUT", "m?acquire={a}", "delayed"),
    ("DESTROY", "{c}", None),
    ("PUT", "n?acquire={a}", "not delayed"),
    ("DELETE", "l", None),
    ("PUT", "l?acquire={a}", "again"),
    ("DESTROY", "{a}", None),
    ("PUT", "l?acquire={d}", "delayed"),
]


async def test_locks(both: Any) -> None:
    holders = Holders(both)
    try:
        await holders.create("a", Behavior="delete")
        await holders.create("b")
        await holders.create("c", LockDelay="0s")
        await holders.create("d")
        for method, path, body in LOCKING:
            if method == "DESTROY":
                await holders.ask("PUT", f"{SESSION}destroy/{path}")
            else:
                await holders.ask(method, KV + path, body)
            for key in "lmn":
                await holders.ask("GET", KV + key)
    finally:
        await holders.end()
        await both.each("DELETE", f"{KV}?recurse")


async def test_a_check_that_fails_ends_the_session(both: Any) -> None:
    holders = Holders(both)
    try:
        await both.ask("PUT", "/v1/agent/check/register", {"Name": "guard", "TTL": "60s", "Status": "passing"})
        await both.settled("/v1/health/state/any", lambda checks: any(c["CheckID"] == "guard" for c in checks))
        await holders.create("guarded", NodeChecks=["serfHealth", "guard"], LockDelay="0s")
        await holders.ask("PUT", KV + "held?acquire={guarded}", "x")
        await both.ask("PUT", "/v1/agent/check/fail/guard")
        await both.settled(f"{KV}held", lambda found: "Session" not in found[0])
        await holders.ask("GET", f"{SESSION}info/{{guarded}}")
        await both.ask("PUT", f"{SESSION}create", {"NodeChecks": ["guard"]})
    finally:
        await both.each("PUT", "/v1/agent/check/deregister/guard")
        await holders.end()
        await both.each("DELETE", f"{KV}?recurse")


async def test_who_is_woken_by_which_write(both: Any) -> None:
    """Readers wait at both; each write has another index for the same of them, and only for these."""
    steps = [
        ("PUT", "w/a", "1", {"w/a", "w/?recurse", "w/?keys"}),
        ("PUT", "w/a", "1", set()),
        ("PUT", "w/b", "1", {"w/?recurse", "w/?keys"}),
        ("DELETE", "w/b", None, {"w/?recurse", "w/?keys"}),
        ("PUT", "elsewhere", "1", set()),
        ("DELETE", "w/a", None, {"w/a", "w/?recurse", "w/?keys"}),
    ]
    try:
        await both.each("PUT", f"{KV}w/zero", "0")
        for method, key, body, expected in steps:
            woken = await woken_by(both, ["w/a", "w/?recurse", "w/?keys"], method, key, body)
            assert woken == [expected, expected], f"{method} {key}"
    finally:
        await both.each("DELETE", f"{KV}?recurse")


async def woken_by(both: Any, readers: list[str], method: str, key: str, body: str | None) -> list[set[str]]:
    """Of those who wait for keys at both servers, who is told of something new."""
    servers = (both.real, both.agent)
    seen = {(at, to): (await both.send(at, "GET", KV + to)).index for at in servers for to in readers}
    async with asyncio.TaskGroup() as group:
        waiting = {
            (at, to): group.create_task(both.send(at, "GET", waits(to, index))) for (at, to), index in seen.items()
        }
        await asyncio.sleep(0.1)  # so that they are waiting; who comes only after the write is told the same
        await both.each(method, KV + key, body)
    return [{to for to in readers if waiting[at, to].result().index > seen[at, to]} for at in servers]


def waits(reader: str, index: int) -> str:
    return f"{KV}{reader}{'&' if '?' in reader else '?'}index={index}&wait=1s"


async def test_who_waits_for_what_is_not_there(both: Any) -> None:
    """A real Consul wakes them as its tree of keys happens to grow, the agent only when it comes to be."""
    loop = asyncio.get_running_loop()

    async def waited(reader: str) -> float:
        index = (await both.send(both.agent, "GET", KV + reader)).index
        began = loop.time()
        await both.send(both.agent, "GET", waits(reader, index))
        return loop.time() - began

    try:
        async with asyncio.TaskGroup() as group:
            absent = [group.create_task(waited(reader)) for reader in ("w/none", "other?recurse")]
            await asyncio.sleep(0.1)  # so that they are waiting
            await both.send(both.agent, "PUT", f"{KV}w/a", "1")
        assert all(task.result() >= 1 for task in absent)
    finally:
        await both.each("DELETE", f"{KV}?recurse")
