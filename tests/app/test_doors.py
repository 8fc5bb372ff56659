"""The ports of processes that run a service together."""

from __future__ import annotations

import pytest

from muster.app.doors import Door, shifted
from muster.model.instance import GRPC


@pytest.mark.parametrize(
    ("port", "advertise", "by", "expected"),
    [
        (0, None, 3, (0, None)),
        (0, "10.0.0.7:9000", 3, (0, "10.0.0.7:9000")),
        (4000, None, 0, (4000, None)),
        (4000, None, 3, (4003, None)),
        (4000, "10.0.0.7:9000", 3, (4003, "10.0.0.7:9003")),
        (4000, "10.0.0.7", 3, (4003, "10.0.0.7:4003")),
        (4000, "[fd00::7]:9000", 1, (4001, "[fd00::7]:9001")),
    ],
)
def test_each_has_a_port_of_its_own(
    port: int, advertise: str | None, by: int, expected: tuple[int, str | None]
) -> None:
    door = shifted(Door(GRPC, "greeter", port, advertise), by)
    assert (door.port, door.advertise) == expected
