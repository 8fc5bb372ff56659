"""Events as metrics for Prometheus."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator

from muster.model.check import Health
from muster.model.errors import BadConfiguration
from muster.model.events import (
    AnswerDoubted,
    AttemptFailed,
    BreakerOpened,
    CallHedged,
    EntrySetAside,
    Event,
    InstanceEjected,
    InstanceReturned,
    PanicEntered,
    RegistrationChanged,
    RegistrationState,
    RetryBudgetExhausted,
    SnapshotUpdated,
    WatchEnded,
    WatchFailed,
)
from muster.model.snapshot import instances_of

try:
    from prometheus_client import CollectorRegistry
    from prometheus_client.core import REGISTRY, CounterMetricFamily, GaugeMetricFamily, Metric
    from prometheus_client.registry import Collector
except ImportError as error:
    raise BadConfiguration("metrics need the extra 'prometheus': pip install 'muster-discovery[prometheus]'") from error

Labels = tuple[str, ...]

COUNTERS = {
    "muster_watch_errors": ("Failed questions to the registry.", ("service", "error")),
    "muster_answers_doubted": ("Answers of the registry that dropped too much to be believed at once.", ("service",)),
    "muster_entries_set_aside": ("Entries of a service in the registry that cannot be used.", ("service",)),
    "muster_ejections": ("Instances that this process stopped choosing on evidence of its own.", ("service",)),
    "muster_returns": ("Instances that this process began to choose, or chooses again.", ("service",)),
    "muster_panics": (
        "Times that so few instances were well that this process called critical or ejected ones too.",
        ("service",),
    ),
    "muster_attempts_failed": (
        "Attempts of calls that failed; retried tells whether another followed, so that the caller noticed nothing.",
        ("service", "method", "code", "retried"),
    ),
    "muster_retry_budget_exhausted": (
        "Calls that were not tried again because retries had used up their budget.",
        ("service", "method"),
    ),
    "muster_calls_hedged": ("Calls that were sent a second time because their answer was late.", ("service", "method")),
    "muster_breakers_opened": ("Times that calls reached a limit of those under way.", ("service",)),
}
"""Name, without the `_total` that Prometheus adds: help, labels."""

AGE = "muster_snapshot_age_seconds"
AGE_HELP = (
    "Time since the registry last confirmed what is known of a service. A quiet registry confirms "
    "every few minutes; muster_watch_failing tells quiet from broken."
)
FAILING = "muster_watch_failing"
FAILING_HELP = "1 while the registry does not answer for a service, 0 while it does."
INSTANCES = "muster_instances"
INSTANCES_HELP = "Registered instances of a service as last known, by health."
REGISTRATION = "muster_registration_state"
REGISTRATION_HELP = "1 for the state that an instance of this process is in, 0 for the others; gone once deregistered."


class Metrics(Collector):
    """An observer, and a collector registered with `registry` (prometheus_client's default one unless given).

    Series of a service go when it is no longer watched, so that an age that nobody cares for does not wake anybody.
    May be called and scraped on any threads.
    """

    def __init__(
        self, registry: CollectorRegistry | None = None, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._counts: dict[str, Counter[Labels]] = {name: Counter() for name in COUNTERS}
        self._confirmed: dict[str, float] = {}
        self._failing: dict[str, bool] = {}
        self._instances: dict[str, Counter[Health]] = {}
        self._registrations: dict[tuple[str, str], RegistrationState] = {}
        (registry or REGISTRY).register(self)

    def __call__(self, event: Event) -> None:
        with self._lock:
            self._record(event)

    def _record(self, event: Event) -> None:
        match event:
            case SnapshotUpdated():
                self._updated(event)
            case AnswerDoubted():
                self._count("muster_answers_doubted", event.name)
            case EntrySetAside():
                self._count("muster_entries_set_aside", event.name)
            case WatchFailed():
                self._failing[event.name] = True
                self._count("muster_watch_errors", event.name, type(event.error).__name__)
            case WatchEnded():
                self._forget(event.name)
            case InstanceEjected():
                self._count("muster_ejections", event.name)
            case InstanceReturned():
                self._count("muster_returns", event.name)
            case PanicEntered():
                self._count("muster_panics", event.name)
            case AttemptFailed():
                retried = "true" if event.retrying else "false"
                self._count("muster_attempts_failed", event.name, event.method, event.code, retried)
            case RetryBudgetExhausted():
                self._count("muster_retry_budget_exhausted", event.name, event.method)
            case CallHedged():
                self._count("muster_calls_hedged", event.name, event.method)
            case BreakerOpened():
                self._count("muster_breakers_opened", event.name)
            case RegistrationChanged():
                self._registered(event)
            case _:
                pass  # WatchRecovered, PanicLeft: what comes next says as much

    def _count(self, metric: str, *labels: str) -> None:
        self._counts[metric][labels] += 1

    def _updated(self, event: SnapshotUpdated) -> None:
        name = event.snapshot.name
        self._confirmed[name] = self._clock()
        self._failing[name] = False
        self._instances[name] = Counter(instance.health for instance in instances_of(event.snapshot))

    def _forget(self, name: str) -> None:
        self._confirmed.pop(name, None)
        self._failing.pop(name, None)
        self._instances.pop(name, None)

    def _registered(self, event: RegistrationChanged) -> None:
        key = event.name, event.instance_id
        if event.state is RegistrationState.DEREGISTERED:
            self._registrations.pop(key, None)
        else:
            self._registrations[key] = event.state

    def collect(self) -> Iterator[Metric]:
        """What prometheus_client asks for at each scrape."""
        with self._lock:
            families = [*self._counters(), self._ages(), self._failures(), self._sizes(), self._states()]
        yield from families

    def _counters(self) -> Iterator[Metric]:
        for name, (text, labels) in COUNTERS.items():
            family = CounterMetricFamily(name, text, labels=labels)
            for values, count in self._counts[name].items():
                family.add_metric(values, count)
            yield family

    def _ages(self) -> Metric:
        now = self._clock()
        family = GaugeMetricFamily(AGE, AGE_HELP, labels=["service"])
        for name, confirmed in self._confirmed.items():
            family.add_metric([name], now - confirmed)
        return family

    def _failures(self) -> Metric:
        family = GaugeMetricFamily(FAILING, FAILING_HELP, labels=["service"])
        for name, failing in self._failing.items():
            family.add_metric([name], float(failing))
        return family

    def _sizes(self) -> Metric:
        family = GaugeMetricFamily(INSTANCES, INSTANCES_HELP, labels=["service", "health"])
        for name, counts in self._instances.items():
            for health in Health:
                family.add_metric([name, str(health)], counts[health])
        return family

    def _states(self) -> Metric:
        family = GaugeMetricFamily(REGISTRATION, REGISTRATION_HELP, labels=["service", "instance", "state"])
        for (name, instance_id), current in self._registrations.items():
            for state in RegistrationState:
                family.add_metric([name, instance_id, str(state)], float(state is current))
        return family
