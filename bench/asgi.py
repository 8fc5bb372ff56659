"""What `muster.asgi` costs a FastAPI application: the CPU of its server for each request, wrapped and registered,
against the same application as it is. Both under uvicorn, in short turns one after the other.

CPU decides the throughput of such a server, since one process uses one core; and unlike time it does not depend on what
else the machine does.
"""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import repeat

from bench.figure import Figure, of_repeats
from bench.load import ask_all, request, run
from bench.processes import agent, started

CONNECTIONS = 16
LISTENING = r"127\.0\.0\.1:\d+"


def measure(quick: bool = False) -> list[Figure]:
    requests, repeats = (300, 3) if quick else (3000, 31)
    with agent() as registry, servers(registry) as (bare, wrapped):
        pairs = [_pair(bare, wrapped, requests, number) for number in range(-1, repeats)][1:]
    share = [(ours / theirs - 1) * 100 for theirs, ours in pairs]
    note = f"of {sorted(theirs for theirs, _ in pairs)[len(pairs) // 2] * 1e6:.0f} µs a request"
    return [of_repeats("CPU of a FastAPI server that muster.asgi adds", share, "%", at_most=2.0, note=note)]


def _pair(bare: str, wrapped: str, requests: int, number: int) -> tuple[float, float]:
    """Seconds of CPU for a request, without and with muster. Each is the first in every other pair."""
    order = (bare, wrapped) if number % 2 else (wrapped, bare)
    used = {address: _turn(address, requests) for address in order}
    return used[bare], used[wrapped]


def _turn(address: str, requests: int) -> float:
    before = _cpu(address)
    run(ask_all(address, repeat(request("GET", "/items/7"), requests), CONNECTIONS))
    return (_cpu(address) - before) / requests


def _cpu(address: str) -> float:
    with urllib.request.urlopen(f"http://{address}/cpu") as response:
        return float(response.read())


@contextmanager
def servers(registry: str) -> Iterator[tuple[str, str]]:
    """The addresses of both, each in a process of its own; the second one is registered."""
    command = [sys.executable, "-m", "bench.asgi"]
    with started([*command, "bare"], LISTENING) as bare, started([*command, "wrapped", registry], LISTENING) as wrapped:
        _until_ready(f"http://{wrapped.address}/health")
        yield bare.address, wrapped.address


def _until_ready(url: str) -> None:
    end = time.monotonic() + 30
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url):
                return
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"{url} never answered 200")


def _serve(kind: str, registry: str) -> None:
    import uvicorn
    from fastapi import FastAPI

    import muster

    api = FastAPI()

    @api.get("/items/{number}")
    async def item(number: int) -> dict[str, int]:
        return {"number": number}

    @api.get("/cpu")
    async def cpu() -> float:
        return time.process_time()

    app = muster.asgi(api, "bench", registry=registry) if kind == "wrapped" else api
    uvicorn.run(app, port=0, access_log=False)


if __name__ == "__main__":
    _serve(sys.argv[1], sys.argv[-1])
