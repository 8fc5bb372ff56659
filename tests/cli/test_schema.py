"""`muster instances NAME --schema`, with and without typed handlers."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

from tests.cli.conftest import Command

TYPED = Path(__file__).parents[2] / "examples" / "typed"


def test_what_handlers_take_and_give(muster: Command, registry: str) -> None:
    with muster.staying("run", "server:service", PYTHONPATH=str(TYPED), MUSTER_REGISTRY=registry) as process:
        process.said("is registered")
        for name in ("greeter", "greeter-http"):
            described = json.loads(muster("instances", name, "--schema", MUSTER_REGISTRY=registry).out)
            assert described["$defs"]["HelloRequest"]["required"] == ["name"]
        done = muster("call", "greeter", "Say.Hello", '{"name": 1}', MUSTER_REGISTRY=registry)
        assert "HelloRequest: Expected `str`, got `int` - at `$.name`" in done.error
        environ = muster.environ | {"MUSTER_REGISTRY": registry}
        client = subprocess.run([sys.executable, str(TYPED / "client.py")], env=environ, capture_output=True, text=True)
        assert client.stdout.splitlines() == [
            "Hello world",
            *["Hello again"] * 3,
            "INVALID_ARGUMENT name is empty: whom to greet?",
        ]
        assert process.end() == 0


def test_a_service_without_them(muster: Command, greeter: str) -> None:
    done = muster("instances", "greeter", "--schema", "--registry", greeter)
    assert done.status == 1
    assert "'greeter' has no typed handlers" in done.error
