"""Which instances to leave out on evidence of their calls, for how long, and how they come back. Pure.

    in ── faults in a row, or worse than the others ──> ejected ── time is up ──> on trial ── good call ──> in
                                                           ↑                         │
                                                           └─── fault: for longer ───┘

On trial an instance gets one single call, so that a dead one costs its callers one attempt and not its whole share.
Never more than a share of the set is ejected: when most of it seems bad, the cause lies elsewhere, and leaving
instances out would only bury the rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import median

from muster.model.errors import BadConfiguration
from muster.model.typed import check_types

COMMON = 0.5
"""The share of faults among the others from which on nobody is ejected."""


@dataclass(frozen=True, slots=True)
class Outliers:
    """What makes an outlier; 0 turns a kind of evidence off.

    `consecutive`: faults in a row, 5 as in Envoy. `errors`: how much greater a share of its calls may fail than of the
    median instance's. `latency`: how many times the median's its mean latency may be; off by default, since streams and
    methods of different cost make latencies incomparable, and least request keeps calls from slow instances anyway.
    The last two are judged every `interval` seconds, of instances with at least `volume` calls.
    `shortest`, `longest`: seconds of the first ejection, which doubles each time in a row, and of the last.
    `share`: how much of the set may be ejected at a time; one of two or more always may. `patience`: seconds after
    which a trial that is still under way counts as passed: it is a stream, or nobody waits for it.
    """

    consecutive: int = 5
    errors: float = 0.2
    latency: float = 0.0
    interval: float = 10.0
    volume: int = 20
    shortest: float = 5.0
    longest: float = 300.0
    share: float = 1 / 3
    patience: float = 30.0

    def __post_init__(self) -> None:
        """Raises BadConfiguration."""
        check_types(self)
        if not (0 <= self.share <= 1 and self.interval > 0 and 0 < self.shortest <= self.longest):
            raise BadConfiguration(f"{self}: share is between 0 and 1, interval and shortest above 0, longest no less")
        if min(self.consecutive, self.errors, self.latency, self.volume, self.patience) < 0:
            raise BadConfiguration(f"{self}: nothing is negative")


NO_EJECTION = Outliers(consecutive=0, errors=0.0, latency=0.0)
"""Never leaves anybody out."""


@dataclass(slots=True)
class Ejection:
    """Why and since when an instance is left out. `until`: the end of it, or of the patience with its `trial`."""

    why: str
    since: float
    until: float
    trial: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """What the calls to one instance came to lately: sums, `seconds` of their latencies."""

    calls: float
    faults: float
    seconds: float

    @property
    def fault_share(self) -> float:
        return self.faults / self.calls if self.calls else 0.0

    @property
    def latency(self) -> float:
        return self.seconds / self.calls if self.calls else 0.0


def in_a_row(failures: int, policy: Outliers) -> str:
    """Why an instance is out that has had so many faults in a row just now; empty if it is not.

    Where it may not be ejected, the question comes up again after as many more faults, and not at each of them.
    """
    decisive = policy.consecutive and failures and failures % policy.consecutive == 0
    return f"{failures} faults in a row" if decisive else ""


def outliers(records: Sequence[Record], policy: Outliers) -> list[tuple[int, str]]:
    """The indexes of those that do worse than the others, the worst first, and why.

    The others' median is the measure, so that a fault of all (a database that is down) ejects nobody. Less than three
    standard deviations of chance are no evidence. Fewer than two with enough calls cannot be compared.
    """
    judged = [index for index, record in enumerate(records) if record.calls >= max(policy.volume, 1)]
    if len(judged) < 2:
        return []
    found: list[tuple[float, int, str]] = []
    usual_faults = _median_of_others([records[index].fault_share for index in judged])
    usual_latency = _median_of_others([records[index].latency for index in judged])
    for index, faults, latency in zip(judged, usual_faults, usual_latency, strict=True):
        record = records[index]
        if policy.errors and record.fault_share - faults > _chance(faults, record.calls, policy.errors):
            found.append((record.fault_share, index, f"{record.fault_share:.0%} faults, others {faults:.0%}"))
        elif policy.latency and record.latency > latency * policy.latency > 0:
            why = f"{record.latency * 1e3:.3g} ms a call, others {latency * 1e3:.3g} ms"
            found.append((1 - latency / record.latency, index, why))
    found.sort(key=lambda entry: -entry[0])
    return [(index, why) for _, index, why in found]


def is_common(calls: float, faults: float, policy: Outliers) -> bool:
    """Whether most calls to the instances that are left fail too: overload, or something that all depend on. Then the
    cause lies elsewhere, and to eject is to overload the rest."""
    return calls >= max(policy.volume, 1) and faults > calls * COMMON


def duration(ejections: int, policy: Outliers) -> float:
    """Seconds of the `ejections`-th ejection in a row, counted from 1."""
    return min(policy.longest, policy.shortest * 2.0 ** min(ejections - 1, 64))


def another_allowed(ejected: int, of: int, policy: Outliers) -> bool:
    """Whether one more of a set may be ejected."""
    return ejected + 1 <= max(1.0, of * policy.share) and ejected + 1 < of


def in_a_series(returned: float, now: float, policy: Outliers) -> bool:
    """Whether an ejection now continues the last one's series, so that it takes longer."""
    return now - returned < policy.longest


def _median_of_others(values: Sequence[float]) -> list[float]:
    """For each value, the median of all the others."""
    if len(values) > 50:
        # Of so many, one more or less does not move the median; and 10,000 medians of 10,000 would take minutes.
        return [median(values)] * len(values)
    return [median((*values[:index], *values[index + 1 :])) for index in range(len(values))]


def _chance(share: float, calls: float, least: float) -> float:
    """How far a share of faults may be off by chance, at least `least`."""
    return max(least, 3 * sqrt(share * (1 - share) / calls))
