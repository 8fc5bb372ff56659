"""gunicorn's hooks: what they refuse. How they work is tried with the examples."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from muster import BadConfiguration, Rejected
from muster.app.companion import line
from muster.gunicorn import hooks
from muster.registry.memory import Memory


@pytest.mark.parametrize(
    ("options", "error", "why"),
    [
        ({"tags": "blue"}, Rejected, "expected several"),
        ({"registry": "nowhere://x"}, BadConfiguration, "nowhere"),
        ({"registry": Memory("x")}, BadConfiguration, "a registry's URL"),
        ({"observe": print}, BadConfiguration, "no observer"),
        ({"listen": "8000"}, BadConfiguration, "no port"),
    ],
)
def test_what_cannot_be_used_is_told_while_gunicorn_reads_its_configuration(
    options: Any, error: type[Exception], why: str
) -> None:
    with pytest.raises(error, match=why):
        hooks("shop", **options)


def test_a_unix_socket_has_no_address_to_register() -> None:
    when_ready, _ = hooks("shop")
    listener = SimpleNamespace(getsockname=lambda: "/run/shop.sock")
    with pytest.raises(BadConfiguration, match="at no TCP port"):
        when_ready(SimpleNamespace(LISTENERS=[listener]))


def test_on_exit_without_a_start_does_nothing() -> None:
    _, on_exit = hooks("shop")
    on_exit(SimpleNamespace())


def test_what_the_companion_is_told_is_one_line() -> None:
    told = line("shop", {"tags": ("a",), "metadata": {"k": "v"}})
    assert told.count("\n") == 1 and '"tags": ["a"]' in told and '"drain": 2.0' in told
