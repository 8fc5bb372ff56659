from __future__ import annotations

import json

import pytest

from muster.cli.snapshots import row, snapshot_data
from muster.model.check import CheckState, Health
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Known, Pending, Snapshot, Stale

SICK = Instance(
    "a-1",
    "a",
    "::1",
    1,
    "grpc",
    tags=("x", "y"),
    metadata={"k": "v"},
    health=Health.CRITICAL,
    failing=(CheckState("reach", Health.CRITICAL, "connection\nrefused"),),
)


def test_a_row_says_why_an_instance_is_sick() -> None:
    assert row(SICK) == ("a-1", "[::1]:1", "critical", "grpc", "", "1", "x y", "reach: connection refused")


@pytest.mark.parametrize(
    ("snapshot", "data"),
    [
        (Pending("a"), {"state": "pending"}),
        (Pending("a", "refused"), {"state": "pending", "why": "refused"}),
        (Known("a", ()), {"state": "known"}),
        (Stale("a", (), 1.5, "refused"), {"state": "stale", "why": "refused", "since": 1.5}),
        (Absent("a"), {"state": "absent"}),
    ],
)
def test_every_state_has_its_json(snapshot: Snapshot, data: dict[str, object]) -> None:
    assert snapshot_data(snapshot) == {"service": "a", "instances": []} | data


def test_an_instance_as_json() -> None:
    (instance,) = json.loads(json.dumps(snapshot_data(Known("a", (SICK,)))))["instances"]
    assert instance == {
        "id": "a-1",
        "service": "a",
        "address": "[::1]:1",
        "host": "::1",
        "port": 1,
        "protocol": "grpc",
        "version": "",
        "tags": ["x", "y"],
        "metadata": {"k": "v"},
        "weight": 1,
        "zone": "",
        "health": "critical",
        "failing": [{"check": "reach", "health": "critical", "output": "connection\nrefused"}],
    }
