"""What a name costs that is watched and does not change: memory and CPU, while it blocks and while it is polled."""

from __future__ import annotations

import asyncio
import gc
import json
import re
import subprocess
import sys
import time
from pathlib import Path

from bench.figure import Figure
from bench.processes import REPOSITORY, agent
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Known, Snapshot
from muster.registry.url import open_registry
from muster.watch.hub import Hub
from muster.watch.overrides import Overrides


def measure(quick: bool = False) -> list[Figure]:
    names, seconds = (100, 2) if quick else (1000, 30)
    with agent() as url:
        asyncio.run(_register(url, names))
        blocking = _watched(f"{url}?queries=10000", names, seconds)
        polled = _watched(f"{url}?queries=1", names, seconds)
    note = f"{names} names of one instance each, on the embedded agent"
    return [
        Figure("memory a name that blocks", blocking["memory"], "kB", note=note),
        Figure("memory a name that is polled", polled["memory"], "kB"),
        Figure("CPU of all names that block", blocking["cpu"], "% of a core"),
        Figure("CPU of all names that are polled", polled["cpu"], "% of a core"),
    ]


async def _register(url: str, names: int) -> None:
    async with open_registry(url) as registry:
        for number in range(names):
            instance = Instance(f"idle-{number}-1", f"idle-{number}", "127.0.0.1", 9000, protocol="grpc")
            await registry.register(Registration(instance))  # type: ignore[attr-defined]


def _watched(url: str, names: int, seconds: float) -> dict[str, float]:
    """In a process of its own: kB a name beyond those of the first ten, and the CPU's share once all are known."""
    command = [sys.executable, "-m", "bench.watched_names", url, str(names), str(seconds)]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True, check=True)
    found: dict[str, float] = json.loads(done.stdout)
    return found


async def _idle(url: str, names: int, seconds: float) -> dict[str, float]:
    async with open_registry(url) as registry, Hub(registry, overrides=Overrides(environ={})) as hub:  # type: ignore[arg-type]
        await _known(hub, range(10))
        before = _memory()
        await _known(hub, range(10, names))
        await asyncio.sleep(2)
        memory, cpu = _memory() - before, time.process_time()
        await asyncio.sleep(seconds)
        return {"memory": memory / (names - 10), "cpu": (time.process_time() - cpu) / seconds * 100}


async def _known(hub: Hub, numbers: range) -> None:
    missing = set(numbers)
    done = asyncio.Event()

    def tell(number: int, snapshot: Snapshot) -> None:
        if isinstance(snapshot, Known):
            missing.discard(number)
        if not missing:
            done.set()

    for number in numbers:
        hub.watch(f"idle-{number}").latest.listen(lambda snapshot, number=number: tell(number, snapshot))
    await done.wait()


def _memory() -> int:
    """Kilobytes that are this process's alone."""
    gc.collect()
    found = re.search(r"^Pss:\s+(\d+) kB", Path("/proc/self/smaps_rollup").read_text(), re.MULTILINE)
    assert found is not None
    return int(found[1])


if __name__ == "__main__":
    print(json.dumps(asyncio.run(_idle(sys.argv[1], int(sys.argv[2]), float(sys.argv[3])))))
