"""A name finds one endpoint, or says why not."""

from __future__ import annotations

import pytest

from muster.model.endpoint import Endpoint, find
from muster.model.errors import Fault, Rejected

SAY = Endpoint("/greeter.Say/Hello")
OTHER = Endpoint("/polite.Say/Hello")
BYE = Endpoint("/greeter.Say/Bye")


@pytest.mark.parametrize("name", ["Say.Hello", "/greeter.Say/Hello", "greeter.Say/Hello", "greeter.Say.Hello"])
def test_every_way_to_name_it(name: str) -> None:
    assert find([BYE, SAY], name) is SAY


def test_a_short_name_that_fits_two_lists_both() -> None:
    with pytest.raises(Rejected, match=r"/greeter\.Say/Hello, /polite\.Say/Hello"):
        find([SAY, OTHER], "Say.Hello")
    assert find([SAY, OTHER], "polite.Say.Hello") is OTHER


def test_an_unknown_name_lists_what_there_is() -> None:
    with pytest.raises(Fault, match=r"Say\.Bye, Say\.Hello") as raised:
        find([SAY, BYE], "say.hello")
    assert raised.value.code == "UNIMPLEMENTED"


def test_nothing_is_offered() -> None:
    with pytest.raises(Fault, match="offered: none"):
        find([], "Say.Hello")
