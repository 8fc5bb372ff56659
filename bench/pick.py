"""What it costs to pick an instance from a snapshot, and that it does not grow with their number."""

from __future__ import annotations

from statistics import median
from timeit import timeit

from bench.figure import Figure, of_repeats
from muster.client.connector import Link
from muster.client.pool import Pool
from muster.model.instance import Instance
from muster.model.snapshot import Known, Snapshot
from muster.watch.latest import Latest

PICKS = 50_000


def measure(quick: bool = False) -> list[Figure]:
    repeats = 3 if quick else 15
    few, many = _pool(10), _pool(10_000)
    pairs = [(_microseconds(few), _microseconds(many)) for _ in range(repeats)]
    growth = [at_many / at_few for at_few, at_many in pairs]
    return [
        of_repeats("pick, 10 instances", [at_few for at_few, _ in pairs], "µs", at_most=2),
        of_repeats(
            "pick, 10,000 instances against 10",
            growth,
            "x",
            at_most=1.5,
            note=f"{median(at_many for _, at_many in pairs):.2g} µs",
        ),
        of_repeats(
            "applying a snapshot of 10,000",
            [_applying(many) for _ in range(repeats)],
            "ms",
            note="one changed, then a pick",
        ),
    ]


class _Applied:
    """A pool and the means to change its snapshot."""

    def __init__(self, count: int) -> None:
        self.instances = [Instance(f"i{number}", "db", "10.0.0.1", 1 + number % 65535) for number in range(count)]
        self.latest: Latest[Snapshot] = Latest(Known("db", tuple(self.instances)))
        self.pool: Pool[Link] = Pool(self.latest)
        self.pool.open()


def _pool(count: int) -> _Applied:
    return _Applied(count)


def _microseconds(applied: _Applied) -> float:
    return timeit(applied.pool.choose, number=PICKS) / PICKS * 1e6


def _applying(applied: _Applied) -> float:
    def change() -> None:
        applied.instances[0], applied.instances[-1] = applied.instances[-1], applied.instances[0]
        applied.latest.set(Known("db", tuple(applied.instances)))
        applied.pool.choose()

    return timeit(change, number=3) / 3 * 1e3
