"""What an overrides file may say, and what is said of one that cannot be used."""

from __future__ import annotations

from pathlib import Path

import pytest

from muster.model.errors import BadConfiguration
from muster.watch.overrides import Override, Overrides, parse


def test_every_form() -> None:
    document = {
        "greeter": {"addresses": ["127.0.0.1:9000"], "retries": False},
        "orders": {"dns": "orders.internal:8080"},
        "users": {"passthrough": "users.mesh:80"},
        "quiet": {"hedging": False},
    }
    assert parse(document, "file") == {
        "greeter": Override("greeter", addresses=(("127.0.0.1", 9000),), retries=False),
        "orders": Override("orders", dns=("orders.internal", 8080)),
        "users": Override("users", passthrough=("users.mesh", 80), retries=False, hedging=False, ejection=False),
        "quiet": Override("quiet", hedging=False),
    }
    assert parse(document, "file")["quiet"].source() is None, "flags alone leave the registry in charge"


@pytest.mark.parametrize(
    ("document", "complaint"),
    [
        ([], "expected a table for each"),
        ({"greeter": "127.0.0.1:1"}, r"\[greeter\]: expected a table"),
        ({"greeter": {"addresses": []}}, r"\[greeter\] addresses: expected a list"),
        ({"greeter": {"addresses": ["::1:80"]}}, "needs brackets"),
        ({"greeter": {"addresses": ["host:70000"]}}, "not a port"),
        ({"greeter": {"dns": "host:0"}}, "a port above 0"),
        ({"greeter": {"adresses": ["a:1"]}}, "unknown key 'adresses'; known: addresses"),
        ({"greeter": {"retries": "no"}}, "expected true or false"),
        ({"greeter": {"dns": "a:1", "passthrough": "b:1"}}, "only one of"),
    ],
)
def test_a_fault_is_named_with_its_place(document: object, complaint: str) -> None:
    with pytest.raises(BadConfiguration, match=complaint):
        parse(document, "file")


def test_a_file_that_cannot_be_read_at_the_start_is_an_error(tmp_path: Path) -> None:
    faulty = tmp_path / "faulty.toml"
    faulty.write_text("[greeter")
    with pytest.raises(BadConfiguration, match=r"faulty\.toml"):
        Overrides.configured({"MUSTER_OVERRIDES": str(faulty)})
    with pytest.raises(BadConfiguration, match="cannot read"):
        Overrides.configured({"MUSTER_OVERRIDES": str(tmp_path)})
