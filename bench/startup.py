"""What it costs to import muster, and how soon an agent answers."""

from __future__ import annotations

import http.client
import re
import subprocess
import sys
import time
from statistics import median

from bench.figure import Figure, of_repeats


def measure(quick: bool = False) -> list[Figure]:
    repeats = 3 if quick else 15
    return [_importing(repeats), _agent(3 if quick else 9)]


def _importing(repeats: int) -> Figure:
    """Differences of interleaved pairs, each in a fresh interpreter."""
    costs = [(_seconds("import asyncio, muster") - _seconds("import asyncio")) * 1e3 for _ in range(repeats)]
    return of_repeats("import muster, beyond import asyncio", costs, "ms", at_most=25)


def _seconds(statement: str) -> float:
    program = f"import time; started = time.perf_counter(); {statement}; print(time.perf_counter() - started)"
    runs = [subprocess.run([sys.executable, "-c", program], capture_output=True, check=True) for _ in range(3)]
    return median(float(run.stdout) for run in runs)


def _agent(repeats: int) -> Figure:
    return of_repeats(
        "muster agent: from start to first answer", [_first_answer() for _ in range(repeats)], "s", at_most=1
    )


def _first_answer() -> float:
    """Seconds from starting the process to its first answer; its port is read from what it prints."""
    started = time.perf_counter()
    command = [sys.executable, "-m", "muster", "agent", "--http", "127.0.0.1:0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as agent:
        try:
            assert agent.stdout is not None
            port = next(int(found[1]) for line in agent.stdout if (found := re.search(r"127\.0\.0\.1:(\d+)", line)))
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/v1/status/leader")
            assert connection.getresponse().status == 200
            connection.close()
            return time.perf_counter() - started
        finally:
            agent.terminate()
