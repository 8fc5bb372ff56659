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


ABSENT = {1, 4}
"""Who waits for what is not there is woken by a real Consul as its tree of keys happens to grow; by the agent only when
it comes to be."""


async def test_who_is_woken_by_which_write(both: Any) -> None:
    """Readers wait at both; after each write the same of them have an answer."""
    readers = ["w/a", "w/none", "w/?recurse", "w/?keys", "other?recurse"]
    steps = [
        ("PUT", "w/a", "1", {0, 2, 3}),
        ("PUT", "w/a", "1", set()),
        ("PUT", "w/b", "1", {2, 3}),
        ("DELETE", "w/b", None, {2, 3}),
        ("PUT", "elsewhere", "1", set()),
        ("DELETE", "w/a", None, {0, 2, 3}),
    ]
    try:
        await both.each("PUT", f"{KV}w/zero", "0")
        for method, key, body, expected in steps:
            waiting: dict[tuple[int, int], asyncio.Task[Any]] = {}
            for at, address in enumerate((both.real, both.agent)):
                for number, reader in enumerate(readers):
                    index = (await both.send(address, "GET", KV + reader)).index
                    path = f"{KV}{reader}{'&' if '?' in reader else '?'}index={index}&wait=1s"
                    waiting[at, number] = asyncio.get_running_loop().create_task(both.send(address, "GET", path))
            await asyncio.sleep(0.15)
            started = asyncio.get_running_loop().time()
            await both.each(method, KV + key, body)
            done, _ = await asyncio.wait(waiting.values(), timeout=0.5 - asyncio.get_running_loop().time() + started)
            woken = [{number for number in range(len(readers)) if waiting[at, number] in done} for at in (0, 1)]
            await asyncio.gather(*waiting.values())
            assert woken[1] == expected, f"{method} {key}"
            assert woken[0] - ABSENT == expected, f"{method} {key}"
    finally:
        await both.each("DELETE", f"{KV}?recurse")
