from __future__ import annotations

import pytest

from muster.cli.demo.greeter import host_for


@pytest.mark.parametrize(
    ("registry", "host"),
    [
        ("consul://127.0.0.1:8500", "127.0.0.1"),
        ("consul://[::1]:8500", "127.0.0.1"),
        ("consul+unix:///run/consul.sock", "127.0.0.1"),
        ("consul://consul.internal:8500", "0.0.0.0"),
    ],
)
def test_it_listens_where_its_callers_can_come(registry: str, host: str) -> None:
    assert host_for(registry) == host
