"""What no registry takes is refused, and the text names the field."""

from __future__ import annotations

from dataclasses import replace

import pytest

from muster.model.check import TTLCheck
from muster.model.errors import Rejected
from muster.model.instance import Instance
from muster.model.service import Registration, check_name

GOOD = Instance("greeter-1", "greeter", "10.0.0.1", 9000, metadata={"team": "ü" * 512})


@pytest.mark.parametrize("name", ["a", "greeter", "go.micro.srv.greeter", "my-service_2", "9", "x" * 128])
def test_names(name: str) -> None:
    check_name(name)


@pytest.mark.parametrize("name", ["", "x" * 129, "-a", "a-", ".a", "a/b", "a b", "grüße", "a\n", "a?", "a%2Fb"])
def test_odd_names(name: str) -> None:
    with pytest.raises(Rejected, match="name"):
        check_name(name)


def test_a_registration_that_any_registry_takes() -> None:
    Registration(GOOD, (TTLCheck("self", 30.0),)).validate()
    Registration(replace(GOOD, host="")).validate()


@pytest.mark.parametrize(
    ("instance", "complaint"),
    [
        (replace(GOOD, id=""), "id must not be empty"),
        (replace(GOOD, id="a/b"), "id must not"),
        (replace(GOOD, port=0), "port 0 is not a port"),
        (replace(GOOD, port=65536), "port 65536"),
        (replace(GOOD, host="0.0.0.0"), "no address that others can connect to"),
        (replace(GOOD, host="::"), "set advertise="),
        (replace(GOOD, weight=0), "weight 0"),
        (replace(GOOD, metadata={str(n): "" for n in range(65)}), "65 pairs"),
        (replace(GOOD, metadata={"": "x"}), "metadata key"),
        (replace(GOOD, metadata={"a b": "x"}), "metadata key 'a b'"),
        (replace(GOOD, metadata={"a": "x" * 513}), "513 characters"),
        (replace(GOOD, metadata={"version": "x"}), "'version' is muster's own key"),
    ],
)
def test_what_is_refused(instance: Instance, complaint: str) -> None:
    with pytest.raises(Rejected, match=complaint):
        Registration(instance).validate()


def test_two_checks_of_one_name() -> None:
    with pytest.raises(Rejected, match="two checks"):
        Registration(GOOD, (TTLCheck("self", 1.0), TTLCheck("self", 2.0))).validate()
