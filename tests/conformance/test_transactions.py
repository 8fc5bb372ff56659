"""Several operations on keys, nodes, instances and checks at once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = pytest.mark.anyio

TXN = "/v1/txn"
NOBODY = "00000000-0000-0000-0000-000000000000"


def kv(verb: str, key: str = "txn/a", **fields: Any) -> dict[str, Any]:
    return {"KV": {"Verb": verb, "Key": key, **fields}}


def node(verb: str, name: str | None = None, **fields: Any) -> dict[str, Any]:
    return {"Node": {"Verb": verb, "Node": fields | ({} if name is None else {"Node": name})}}


def service(verb: str, name: str, **fields: Any) -> dict[str, Any]:
    return {"Service": {"Verb": verb, "Node": name, "Service": fields}}


def check(verb: str, **fields: Any) -> dict[str, Any]:
    return {"Check": {"Verb": verb, "Check": fields}}


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
    [kv("get-tree", ""), kv("get", ""), kv("nope", "")],
    [kv("delete-tree", ""), kv("get", "")],
    [kv("set", ""), kv("get", "none")],
    [kv("set", "txn/big", Value="A" * 530000)],
]

ONE, OTHER = "11111111-2222-3333-4444-555555555555", "11111111-2222-3333-4444-666666666666"

CATALOG_TRANSACTIONS: list[Any] = [
    # what is no operation
    [{"Node": None}, {"Node": {}}, {"Service": {}}, {"Check": {}}],
    [{"Node": {"X": 1}}],
    [node("set", Foo=1)],
    [node("set", "t1", Namespace="x")],
    [{"Service": {"Verb": "set", "X": 1}}],
    [service("set", "t1", X=1)],
    [service("set", "t1", service="web", enable_tag_override=True)],
    [{"Check": {"Verb": "set", "X": 1}}],
    [check("set", X=1)],
    [{"Service": {"Verb": "get", "Node": "t1", "Service": None}}],
    [{"node": {"verb": "get", "node": {"node": "t1"}}}],
    [node("nope", "t1"), node("", "t1"), service("nope", "t1", Service="web"), check("nope", Node="t1", CheckID="c")],
    # nodes
    [node("set")],
    [node("nope")],
    [node("get")],
    [node("get", "t1"), node("get", ID="short"), node("get", ID=ONE), node("get", ID=ONE[:-1] + "z")],
    [node("get", ID=ONE.replace("-", "x"))],
    [node("set", "t1", ID="short")],
    [node("set", "t1", ID=ONE[:-1] + "z")],
    [node("set", "t1", Address="10.0.0.1"), node("get", "t1"), node("get", "T1")],
    [node("set", "t1", Address="10.0.0.2", Meta={"a": "b"}, TaggedAddresses={"lan": "::1"}, ID=ONE, ModifyIndex=3)],
    [node("get", ID=ONE), node("get", "whatever", ID=ONE)],
    [node("get", "t1", ID=OTHER)],
    [node("cas", "t1", ModifyIndex=0), node("cas", "t1", ModifyIndex=1), node("cas", "t2", ModifyIndex=5)],
    [node("cas", "t2", Address="x"), node("get", "t2")],
    [node("delete-cas", "t2", ModifyIndex=1), node("delete-cas", "none"), node("delete-cas", "none", ModifyIndex=1)],
    [node("delete", ID=ONE)],
    [node("delete", "t2"), node("delete", "t2"), node("get", "t2")],
    [node("delete", "t2")],
    # instances
    [service("set", "nowhere", Service="web"), service("set", "", Service="web"), service("set", "t1")],
    [service("set", "t1", ID="web")],
    [service("set", "t1", Service="web", Address="0.0.0.0")],
    [service("set", "t1", Service="web", Meta={"": "x"}), service("set", "t1", Service="web", Meta={"a b": "x"})],
    [service("get", "t1", ID="web"), service("get", "nowhere", ID="web"), service("get", "t1", Service="web")],
    [service("set", "t1", Service="web"), service("get", "t1", ID="web")],
    [
        service(
            "set",
            "t1",
            ID="w1",
            Service="web",
            Tags=["a"],
            Port=-1,
            Address="1.2.3.4",
            Meta={"k": "v"},
            Weights={"Passing": 3, "Warning": 2},
            EnableTagOverride=True,
            TaggedAddresses={"lan": {"Address": "a", "Port": 1}},
            Kind="connect-proxy",
            Proxy={"DestinationServiceName": "web"},
            Connect={"Native": True},
            Namespace="x",
            ContentHash="x",
            CreateIndex=4,
        )
    ],
    [service("set", "t1", ID="w1", Service="web", Tags=["x"], Weights={"Passing": 2})],
    [service("set", "t1", ID="w1", Service="web", Tags=["x"], Weights={"Warning": 2})],
    [service("set", "t1", ID="w1", Service="web", Tags=["x"], Weights={"Passing": 70000, "Warning": 2})],
    [service("set", "t1", ID="w1", Service="web", Tags=["x"], Weights={"Passing": 2, "Warning": -2})],
    [service("cas", "t1", ID="w1", Service="web"), service("cas", "t1", ID="w2", Service="web", ModifyIndex=9)],
    [service("cas", "t1", ID="w2", Service="web"), service("cas", "t1", Service="alone")],
    [service("delete-cas", "t1", ID="w2", ModifyIndex=1)],
    [service("delete-cas", "t1", Service="w2", ModifyIndex=1), service("delete-cas", "t1", Service="none")],
    [service("delete", "t1", ID="w2")],
    [service("delete", "t1", ID="w2", Service="whatever"), service("delete", "nowhere", Service="none")],
    # checks
    [check("set"), check("set", Node="nowhere", CheckID="c"), check("set", Node="t1")],
    [check("set", Node="t1", CheckID="c", ServiceID="none")],
    [check("get", Node="t1", CheckID="c"), check("get"), check("get", Node="t1", Name="c")],
    [check("set", Node="t1", Name="c"), check("get", Node="t1", CheckID="c")],
    [check("set", Node="t1", CheckID="c", Name="n", Status="passing", Notes="n", Output="o", ServiceID="w1")],
    [check("set", Node="t1", CheckID="d", Status="made up", Type="http", ServiceName="web", ServiceTags=["t"])],
    [
        check(
            "set",
            Node="t1",
            CheckID="d",
            Definition={
                "HTTP": "http://x",
                "Interval": "10s",
                "TimeoutDuration": "5s",
                "DeregisterCriticalServiceAfter": "1m",
                "Header": {"a": ["b"]},
                "TLSSkipVerify": True,
                "Method": "GET",
                "Body": "b",
                "TCP": "t",
                "Unknown": 1,
            },
        )
    ],
    [check("set", Node="t1", CheckID="d", Definition={"Interval": "1s", "IntervalDuration": "5s", "Timeout": 1500})],
    [check("set", Node="t1", CheckID="d", Definition={"Interval": "soon"})],
    [check("cas", Node="t1", CheckID="d"), check("cas", Node="t1", CheckID="e", ModifyIndex=3)],
    [check("cas", Node="t1", CheckID="e"), check("get", Node="t1", CheckID="e")],
    [check("delete-cas", Node="t1", CheckID="e", ModifyIndex=1), check("delete-cas", Node="t1", CheckID="none")],
    [check("delete", Node="t1", CheckID="e"), check("delete", Node="t1", CheckID="e"), check("delete", Node="nowhere")],
    # all or nothing, together
    [node("get", "none"), service("get", "t1", ID="none"), check("get", Node="t1", CheckID="none"), kv("get", "none")],
    [kv("get", "none"), node("set"), service("set", "t1", ID="x")],
    [node("delete", "t1"), kv("set", Value="eA=="), node("get", "none")],
    [
        node("set", "t3", Address="1"),
        service("set", "t3", Service="shop"),
        check("set", Node="t3", CheckID="c", ServiceID="shop", Status="passing"),
        kv("set", Value="eA=="),
        node("get", "t3"),
        service("get", "t3", ID="shop"),
        check("get", Node="t3", CheckID="c"),
    ],
    [service("delete", "t3", Service="shop"), check("get", Node="t3", CheckID="c")],
    [node("delete", "t3"), service("delete", "t3", Service="shop")],
    [{**kv("set", Value="eA=="), **node("get", "none")}, {**node("get", "t1"), **service("get", "t1")}],
    # a name that a living node has, and an id that moves
    [node("set", "t4", ID=OTHER), check("set", Node="t4", CheckID="serfHealth", Status="passing")],
    [node("set", "t4", ID=OTHER[:-1] + "7")],
    [node("set", "t5", ID=OTHER, Address="9"), node("get", ID=OTHER)],
    [node("get", "t4")],
    [kv("delete")],
]

_READS = (
    "/v1/catalog/node/t1",
    "/v1/health/node/t1",
    "/v1/health/node/t3",
    "/v1/health/service/shop",
    "/v1/health/service/web",
    "/v1/catalog/service/shop",
    "/v1/kv/txn/?recurse",
)


async def test_all_or_nothing(both: Any) -> None:
    try:
        for body in TRANSACTIONS:
            await both.ask("PUT", TXN, body)
            await both.ask("GET", "/v1/kv/txn/?recurse")
        await both.ask("PUT", f"{TXN}?dc=nowhere", [])
        await both.ask("GET", TXN)
    finally:
        await both.each("DELETE", "/v1/kv/txn/?recurse")


async def test_all_or_nothing_in_the_catalog(both: Any) -> None:
    try:
        for body in CATALOG_TRANSACTIONS:
            await both.ask("PUT", TXN, body)
            for path in _READS:
                await both.ask("GET", path)
    finally:
        for name in ("t1", "t2", "t3", "t4", "t5"):
            await both.each("PUT", "/v1/catalog/deregister", {"Node": name})
        await both.each("DELETE", "/v1/kv/txn/?recurse")


async def test_a_write_at_the_index_that_was_read_is_done(both: Any) -> None:
    """Each server with the indexes that it gave itself."""
    operations: tuple[tuple[Any, Callable[..., Any], str], ...] = (
        (node("set", "t1", Address="1"), lambda verb, index: node(verb, "t1", Address="2", ModifyIndex=index), "Node"),
        (
            service("set", "t1", Service="web"),
            lambda verb, index: service(verb, "t1", Service="web", Port=7, ModifyIndex=index),
            "Service",
        ),
        (
            check("set", Node="t1", CheckID="c"),
            lambda verb, index: check(verb, Node="t1", CheckID="c", Status="passing", ModifyIndex=index),
            "Check",
        ),
    )
    for address in (both.real, both.agent):
        for create, change, kind in operations:
            index = 0
            for operation in (create, change("cas", 0), change("cas", 1)):
                reply = await both.send(address, "PUT", TXN, [operation])
                if reply.status == 200:
                    index = reply.json["Results"][0][kind]["ModifyIndex"]
            done = await both.send(address, "PUT", TXN, [change("cas", index)])
            assert done.json["Results"][0][kind]["ModifyIndex"] > index
            again = await both.send(address, "PUT", TXN, [change("delete-cas", index)])
            assert again.status == 409
        for _, change, kind in reversed(operations):
            shown = await both.send(
                address, "PUT", TXN, [change("get", 0) if kind != "Service" else service("get", "t1", ID="web")]
            )
            index = shown.json["Results"][0][kind]["ModifyIndex"]
            gone = await both.send(address, "PUT", TXN, [change("delete-cas", index)])
            assert (gone.status, gone.json["Results"]) == (200, [])
