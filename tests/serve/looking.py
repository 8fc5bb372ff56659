"""What a machine finds in the registry on it, as JSON on standard output. Arguments: the services' names.

It waits until the registry has called each instance itself: registered ones count as well until then.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
import urllib.request
from typing import Any

import muster

CONSUL = "127.0.0.1:8500"
SECONDS = 90.0


def of_registry(path: str) -> Any:
    with urllib.request.urlopen(f"http://{CONSUL}{path}", timeout=30) as answer:
        return json.load(answer)


def looked_at(name: str) -> Any:
    """The entry of the service's one instance, once the registry has called it."""
    end = time.monotonic() + SECONDS
    while True:
        try:
            for entry in of_registry(f"/v1/health/service/{name}"):
                if any(check["CheckID"].endswith(":reach") and check["Output"] for check in entry["Checks"]):
                    return entry
        except OSError as error:
            print(error, file=sys.stderr)  # it is not up yet
        assert time.monotonic() < end, f"{name} was not looked at in {SECONDS} s"
        time.sleep(0.05)


async def answer_of(name: str) -> str:
    async with muster.Client(f"consul://{CONSUL}") as client:
        try:
            return str(await client.call(name, "Say.Hello", "world", timeout=5))
        except muster.MusterError as error:
            return type(error).__name__


def found(name: str) -> dict[str, Any]:
    entry = looked_at(name)
    (reach,) = (check for check in entry["Checks"] if check["CheckID"].endswith(":reach"))
    return {
        "address": [entry["Service"]["Address"], entry["Service"]["Port"]],
        "reach": reach["Status"],
        "output": reach["Output"],
        "answer": asyncio.run(answer_of(name)),
    }


print(json.dumps({name: found(name) for name in sys.argv[1:]}))
