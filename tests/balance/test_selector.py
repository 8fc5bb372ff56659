"""Which instances a selector wants, and which versions a requirement allows."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from muster.balance.selector import ANY, Selector, several
from muster.balance.version import requirement
from muster.model.errors import BadConfiguration
from muster.model.instance import Instance

CANARY = Instance(
    "a",
    "greeter",
    "10.0.0.1",
    80,
    protocol="grpc",
    version="1.2.0",
    tags=("canary", "eu"),
    metadata={"team": "x"},
    zone="b",
)


@pytest.mark.parametrize(
    ("selector", "why"),
    [
        (ANY, ""),
        (Selector(tags=["canary"]), ""),  # type: ignore[arg-type]
        (Selector(tags=("canary", "eu")), ""),
        (Selector(tags=("canary", "us")), "without the tag us"),
        (Selector(version="1.x", protocol="grpc", metadata={"team": "x"}, zone="b"), ""),
        (Selector(version=">=2"), "version 1.2.0, not >=2"),
        (Selector(protocol="http"), "speaking grpc, not http"),
        (Selector(metadata={"team": "y"}), "with team=x, not y"),
        (Selector(metadata={"tier": "y"}), "with tier=, not y"),
        (Selector(zone="c"), "in zone b, not c"),
    ],
)
def test_what_a_selector_wants(selector: Selector, why: str) -> None:
    assert selector.why_not(CANARY) == why


def test_what_is_unknown() -> None:
    bare = Instance("a", "greeter", "10.0.0.1", 80)
    assert Selector(protocol="grpc").why_not(bare) == ""
    assert Selector(version="1.x").why_not(bare) == "version unknown, not 1.x"
    assert Selector(zone="b").why_not(bare) == "in zone unknown, not b"


def test_equal_selectors_are_one_key() -> None:
    one, other = (Selector(tags=("a",), metadata={"k": "v"}) for _ in range(2))
    assert {one: 1}[other] == 1
    assert one != Selector(tags=("a",), metadata={"k": "w"})


@pytest.mark.parametrize(
    "wrong",
    [
        {"tags": "canary"},
        {"tags": [1]},
        {"version": "=>1"},
        {"version": ">=one"},
        {"version": "1,"},
        {"version": 2},
        {"zone": 5},
        {"metadata": "team"},
        {"metadata": {"shard": 1}},
    ],
)
def test_what_can_never_match_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(BadConfiguration, match=next(iter(wrong))):
        Selector(**wrong)


def test_one_text_is_not_several() -> None:
    with pytest.raises(BadConfiguration, match=r"dc='east': expected a list, as in \['east'\]"):
        several("dc", "east")


def test_a_wish_does_not_change_with_what_it_was_made_of() -> None:
    metadata = {"shard": "1"}
    selector = Selector(metadata=metadata)
    metadata["shard"] = "2"
    assert selector.metadata == {"shard": "1"}


@pytest.mark.parametrize(
    ("text", "fitting", "others"),
    [
        ("1.2.0", ["1.2.0", "v1.2.0", "1.2", "1.2.0+build7"], ["1.2.1", "1.2.0-rc1", "", "one"]),
        ("1.x", ["1", "1.0", "1.9.3", "v1.2", "1.2-rc1"], ["2.0", "0.1", "10.1", "", "x"]),
        ("1.2.*", ["1.2", "1.2.9"], ["1.20.0", "1.3"]),
        ("1.0.x", ["1", "1.0.1"], ["1.1"]),
        ("x", ["0.1", "7"], ["", "main"]),
        (">=1.2,<2", ["1.2", "1.2.0", "1.99"], ["1.1.9", "2", "2.0.0-rc1", "1.2.0-rc1", ""]),
        (">1.2", ["1.2.1", "1.10"], ["1.2", "1.2.0"]),
        ("<=1.2", ["1.2.0", "1", "1.2-rc1"], ["1.2.1"]),
        ("<2-rc2", ["2-rc1", "1.0"], ["2-rc2", "2"]),
        ("!=1.3", ["1.2", "1.4"], ["1.3.0", "main"]),
        ("==1.3", ["1.3", "1.3.0"], ["1.3.1"]),
        (">=1.0-rc.2", ["1.0-rc.2", "1.0-rc.10", "1.0"], ["1.0-rc.1", "1.0-beta"]),
        ("main", ["main"], ["1.0", "Main"]),
    ],
)
def test_requirements(text: str, fitting: list[str], others: list[str]) -> None:
    fits = requirement(text)
    assert [version for version in fitting if not fits(version)] == []
    assert [version for version in others if fits(version)] == []


VERSIONS = st.lists(st.integers(0, 20), min_size=1, max_size=4).map(lambda parts: ".".join(map(str, parts)))


@given(one=VERSIONS, other=VERSIONS)
def test_versions_are_ordered_totally(one: str, other: str) -> None:
    assert sum(requirement(f"{sign}{other}")(one) for sign in ("<", "==", ">")) == 1
    assert requirement(f"<={other}")(one) is not requirement(f">{other}")(one)
    assert requirement(f"!={other}")(one) is not requirement(other)(one)


@given(st.text(max_size=30))
def test_any_text_is_a_requirement_or_refused(text: str) -> None:
    try:
        fits = requirement(text)
    except BadConfiguration:
        return
    fits("1.0")
    fits(text)
