from __future__ import annotations

import subprocess
import sys

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from muster.model.check import Health
from muster.model.errors import RegistryUnavailable
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
    WatchRecovered,
)
from muster.model.instance import Instance
from muster.model.snapshot import Known
from muster.telemetry.prometheus import COUNTERS, Metrics

UP = Instance("a-1", "a", "127.0.0.1", 1)
DOWN = Instance("a-2", "a", "127.0.0.1", 2, health=Health.CRITICAL)
KNOWN = SnapshotUpdated(Known("a", (UP, DOWN)), True)
FAILED = WatchFailed("a", RegistryUnavailable("gone"), 1.0, 4.0)


class Scrape:
    """Metrics with a clock of its own, and what a scrape of it shows."""

    def __init__(self) -> None:
        self.now = 100.0
        self.registry = CollectorRegistry()
        self.metrics = Metrics(self.registry, clock=lambda: self.now)

    def tell(self, *events: Event) -> None:
        for event in events:
            self.metrics(event)

    def value(self, name: str, **labels: str) -> float | None:
        return self.registry.get_sample_value(name, labels)


@pytest.mark.parametrize(
    ("event", "name", "labels"),
    [
        (FAILED, "muster_watch_errors_total", {"service": "a", "error": "RegistryUnavailable"}),
        (AnswerDoubted("a", 3, 1, 30.0), "muster_answers_doubted_total", {"service": "a"}),
        (EntrySetAside("a", "x", "no port"), "muster_entries_set_aside_total", {"service": "a"}),
        (InstanceEjected("a", "a-1", "lost"), "muster_ejections_total", {"service": "a"}),
        (InstanceReturned("a", "a-1", 0.1), "muster_returns_total", {"service": "a"}),
        (PanicEntered("a", 1, 4, 2), "muster_panics_total", {"service": "a"}),
        (
            AttemptFailed("a", "/p.S/M", "a-1", "UNAVAILABLE", 1, True),
            "muster_attempts_failed_total",
            {"service": "a", "method": "/p.S/M", "code": "UNAVAILABLE", "retried": "true"},
        ),
        (
            RetryBudgetExhausted("a", "/p.S/M"),
            "muster_retry_budget_exhausted_total",
            {"service": "a", "method": "/p.S/M"},
        ),
        (BreakerOpened("a", "a-1", 9), "muster_breakers_opened_total", {"service": "a"}),
        (CallHedged("a", "/p.S/M", "a-2"), "muster_calls_hedged_total", {"service": "a", "method": "/p.S/M"}),
    ],
)
def test_counters_count(event: Event, name: str, labels: dict[str, str]) -> None:
    scrape = Scrape()
    scrape.tell(event, event)
    assert scrape.value(name, **labels) == 2


def test_age_grows_until_the_registry_confirms() -> None:
    scrape = Scrape()
    scrape.tell(KNOWN)
    scrape.now = 107.0
    assert scrape.value("muster_snapshot_age_seconds", service="a") == 7
    scrape.tell(SnapshotUpdated(KNOWN.snapshot, False))
    assert scrape.value("muster_snapshot_age_seconds", service="a") == 0


def test_failing_is_set_and_cleared() -> None:
    scrape = Scrape()
    scrape.tell(FAILED)
    assert scrape.value("muster_watch_failing", service="a") == 1
    scrape.tell(WatchRecovered("a", 1.0, 1), KNOWN)
    assert scrape.value("muster_watch_failing", service="a") == 0


def test_instances_are_counted_by_health() -> None:
    scrape = Scrape()
    scrape.tell(KNOWN)
    assert [scrape.value("muster_instances", service="a", health=str(health)) for health in Health] == [1, 0, 1]


def test_a_name_no_longer_watched_has_no_series() -> None:
    scrape = Scrape()
    scrape.tell(KNOWN, FAILED, WatchEnded("a"))
    assert scrape.value("muster_snapshot_age_seconds", service="a") is None
    assert scrape.value("muster_watch_failing", service="a") is None
    assert scrape.value("muster_instances", service="a", health="passing") is None


def test_a_registration_is_in_one_state_at_a_time_and_goes_when_deregistered() -> None:
    scrape = Scrape()

    def states() -> set[str]:
        return {
            str(state)
            for state in RegistrationState
            if scrape.value("muster_registration_state", service="a", instance="a-1", state=str(state))
        }

    scrape.tell(RegistrationChanged("a", "a-1", RegistrationState.WAITING))
    assert states() == {"waiting"}
    scrape.tell(RegistrationChanged("a", "a-1", RegistrationState.FAILING, "refused"))
    assert states() == {"failing"}
    scrape.tell(RegistrationChanged("a", "a-1", RegistrationState.DEREGISTERED))
    assert states() == set()


def test_every_metric_is_explained() -> None:
    text = generate_latest(Scrape().registry).decode()
    names = [line.split()[2] for line in text.splitlines() if line.startswith("# TYPE")]
    assert len(names) == len(COUNTERS) + 4
    for name in names:
        assert f"# HELP {name} " in text


def test_without_the_extra_the_error_names_it() -> None:
    program = (
        "import sys; sys.modules['prometheus_client'] = None\n"
        "import muster.telemetry\n"
        "try:\n    import muster.telemetry.prometheus\n"
        "except muster.BadConfiguration as error:\n    print(error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert "pip install 'muster-discovery[prometheus]'" in done.stdout
