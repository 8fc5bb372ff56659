"""Addresses as people and URLs write them."""

from __future__ import annotations

import pytest

from muster.model.check import Health, worst
from muster.model.instance import Instance, join_host_port, split_host_port


@pytest.mark.parametrize(("host", "text"), [("10.0.0.1", "10.0.0.1:80"), ("::1", "[::1]:80"), ("host", "host:80")])
def test_there_and_back(host: str, text: str) -> None:
    assert join_host_port(host, 80) == text
    assert split_host_port(text) == (host, 80)


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("host", "no port"),
        ("::1:80", "brackets"),
        ("host:", "not a port"),
        ("host:x", "not a port"),
        ("h:65536", "65536"),
        ("h:²", "not a port"),
    ],
)
def test_what_is_no_address(text: str, complaint: str) -> None:
    with pytest.raises(ValueError, match=complaint):
        split_host_port(text)


def test_unknown_protocols_count_as_any() -> None:
    assert Instance("1", "a", "h", 1).speaks("grpc")
    assert Instance("1", "a", "h", 1, protocol="grpc").speaks("")
    assert not Instance("1", "a", "h", 1, protocol="mucp").speaks("grpc")


def test_the_worst_of_none_is_passing() -> None:
    assert worst(()) is Health.PASSING
    assert worst((Health.PASSING, Health.CRITICAL, Health.WARNING)) is Health.CRITICAL
    assert Health.WARNING.callable
