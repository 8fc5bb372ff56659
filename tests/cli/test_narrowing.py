"""The options that say which of a service's instances a command is about."""

from __future__ import annotations

import pytest

from muster.balance.selector import Selector
from muster.cli.misuse import Misuse
from muster.cli.narrowing import narrowed, read_from, selector_of, wanted_of
from muster.model.errors import BadConfiguration, NoInstances
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Known, Pending, Stale

BLUE = Instance("a-1", "a", "127.0.0.1", 4001, version="1.2.0", tags=("blue",))
GREEN = Instance("a-2", "a", "127.0.0.1", 4002, version="2.0.0", tags=("green",))


@pytest.mark.parametrize(
    ("registry", "datacenters", "url"),
    [
        (None, None, None),
        ("memory://a", [], "memory://a"),
        ("consul://", ["east"], "consul://?dc=east"),
        ("consul://a:1,b:2", ["east", "west"], "consul://a:1,b:2?dc=east,west"),
        ("consul+https://a:1?dc=old&token=t%26u", ["a&b"], "consul+https://a:1?token=t%26u&dc=a%26b"),
    ],
)
def test_datacenters_go_into_the_registrys_url(
    registry: str | None, datacenters: list[str] | None, url: str | None
) -> None:
    assert read_from(registry, datacenters) == url


def test_the_environments_registry_is_asked_in_other_datacenters(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSTER_REGISTRY", "consul://a:1")
    assert read_from(None, ["east"]) == "consul://a:1?dc=east"


def test_options_are_a_selector() -> None:
    assert selector_of(None, "", None, "") == Selector()
    wanted = Selector(("blue",), ">=1.2,<2", metadata={"team": "a=b"}, zone="east")
    assert selector_of(["blue"], ">=1.2,<2", ["team=a=b"], "east") == wanted


def test_what_cannot_be_wanted() -> None:
    with pytest.raises(Misuse, match="write KEY=VALUE"):
        selector_of(None, "", ["team"], "")
    with pytest.raises(BadConfiguration, match="version"):
        selector_of(None, ">=", None, "")


def test_snapshots_keep_what_is_wanted() -> None:
    wanted = Selector(("blue",))
    assert narrowed(Known("a", (BLUE, GREEN)), wanted) == Known("a", (BLUE,))
    assert narrowed(Stale("a", (BLUE, GREEN), 1.0, "away"), wanted) == Stale("a", (BLUE,), 1.0, "away")
    assert narrowed(Absent("a"), wanted) == Absent("a")
    assert narrowed(Pending("a"), wanted) == Pending("a")


def test_nobody_who_is_wanted_is_an_error_with_the_reasons() -> None:
    assert wanted_of("a", (BLUE, GREEN), Selector(("blue",))) == [BLUE]
    with pytest.raises(NoInstances, match=r"version 1\.2\.0, not 3\.x, version 2\.0\.0, not 3\.x"):
        wanted_of("a", (BLUE, GREEN), Selector(version="3.x"))
