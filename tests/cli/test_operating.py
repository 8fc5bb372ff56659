"""`muster drain` and `muster weight`."""

from __future__ import annotations

import json
from typing import Any

from tests.cli.conftest import Command


def instance(muster: Command, registry: str) -> Any:
    [found] = json.loads(muster("instances", "greeter", "--registry", registry, "--json").out)
    return found


def test_out_of_service_and_back(muster: Command, greeter: str) -> None:
    before = instance(muster, greeter)
    done = muster("drain", before["id"], "--reason", "heap dump", "--registry", greeter)
    assert (done.status, done.err) == (0, "")
    assert f"muster drain {before['id']} --undo" in done.out
    assert instance(muster, greeter)["health"] == "critical"
    assert "heap dump" in json.dumps(instance(muster, greeter))
    assert muster("drain", before["id"], "--undo", "--registry", greeter).status == 0
    assert instance(muster, greeter) == before


def test_another_weight(muster: Command, greeter: str) -> None:
    before = instance(muster, greeter)
    done = muster("weight", before["id"], "7", "--registry", greeter)
    assert (done.status, done.out) == (0, f"{before['id']} has weight 7\n")
    assert instance(muster, greeter) == before | {"weight": 7}
    assert muster("weight", before["id"], str(before["weight"]), "--registry", greeter).status == 0


def test_mistakes(muster: Command, greeter: str, nobody: str) -> None:
    assert "does not know instance 'greeter-0'" in muster("drain", "greeter-0", "--registry", greeter).error
    assert "connection refused" in muster("drain", "greeter-0", "--registry", nobody).error
    assert "memory://x has no agent" in muster("weight", "greeter-0", "2", "--registry", "memory://x").error
    assert muster("weight", "greeter-0", "0", "--registry", greeter).status == 2
    assert muster("weight", "greeter-0", "--registry", greeter).status == 2
