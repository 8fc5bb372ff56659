"""Several operations on keys at once."""

from __future__ import annotations

from typing import Any

import pytest

pytestmark = pytest.mark.anyio

TXN = "/v1/txn"
NOBODY = "00000000-0000-0000-0000-000000000000"


def kv(verb: str, key: str = "txn/a", **fields: Any) -> dict[str, Any]:
    return {"KV": {"Verb": verb, "Key": key, **fields}}


TRANSACTIONS: list[Any] = [
    "",
    {},
    "null",
    "5",
    [],
    [{}],
    [{"X": 1}],
    [{"KV": {"Verb": "set"}}],
    [kv("nope")],
    [kv("set", Value="aGk=", Flags=3), kv("get")],
    [kv("get")],
    [kv("get", "txn/none")],
    [kv("nope"), kv("get", "txn/none")],
    [kv("get-tree", "txn/")],
    [kv("get-tree", "txn/none")],
    [kv("get"), kv("set", "txn/b", Value="eA==")],
    [
        kv("cas", Value="aGk=", Index=1),
        kv("set", "txn/c", Value="aGk="),
        kv("check-not-exists"),
        kv("check-session", Session="x"),
        kv("lock", Session="x"),
        kv("lock", Session=NOBODY),
        kv("lock"),
        kv("unlock", Session=NOBODY),
        kv("delete-cas", Index=1),
        kv("check-index", "txn/none", Index=1),
        kv("check-session", "txn/none", Session="x"),
    ],
    [kv("get", "txn/c")],
    [kv("check-not-exists", "txn/c")],
    [kv("cas", "txn/d", Index=0, Value="ZA=="), kv("check-session", "txn/d", Session="")],
    [kv("delete"), kv("delete-tree", "txn/d"), kv("check-not-exists"), kv("delete", "txn/none")],
    [kv("delete-cas", "txn/none", Index=5)],
    [kv("set", Value="!!")],
    [kv("set", Value=None)],
    [kv("set", f"txn/{n}") for n in range(64)],
    [kv("set")] * 65,
    [kv("delete-tree", "txn/")],
]


async def test_all_or_nothing(both: Any) -> None:
    try:
        for body in TRANSACTIONS:
            await both.ask("PUT", TXN, body)
            await both.ask("GET", "/v1/kv/txn/?recurse")
        await both.ask("PUT", f"{TXN}?dc=nowhere", [])
        await both.ask("GET", TXN)
    finally:
        await both.each("DELETE", "/v1/kv/txn/?recurse")
