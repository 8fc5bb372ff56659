"""The one retry loop, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from random import Random

import pytest

from muster.model.backoff import Backoff
from muster.model.errors import Denied, RegistryUnavailable
from muster.model.events import AnswerDoubted, Event, SnapshotUpdated, WatchFailed, WatchRecovered
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Answer, Known, Pending, Snapshot, Stale
from muster.testing.clock import VirtualTimeLoop
from muster.watch.latest import Latest
from muster.watch.watcher import follow, unconfirmed

pytestmark = pytest.mark.anyio

A = Instance("greeter-a", "greeter", "127.0.0.1", 1000)
B = Instance("greeter-b", "greeter", "127.0.0.1", 1001)
ONE, TWO = Known("greeter", (A,)), Known("greeter", (A, B))
DOWN = RegistryUnavailable("connection refused")


@pytest.fixture(params=[("asyncio", {"loop_factory": VirtualTimeLoop})], ids=["virtual time"], scope="module")
def anyio_backend(request: pytest.FixtureRequest) -> object:
    return request.param


class Scripted:
    """A discovery that says what it was told to, one list an attempt; an exception is raised. Then it is silent."""

    def __init__(self, *attempts: list[Answer | Exception]) -> None:
        self.attempts = list(attempts)
        self.asked_at: list[float] = []

    async def watch(self, name: str) -> AsyncGenerator[Answer, None]:
        self.asked_at.append(asyncio.get_running_loop().time())
        for step in self.attempts.pop(0) if self.attempts else []:
            if isinstance(step, Exception):
                raise step
            yield step
        if not self.attempts:
            await asyncio.sleep(3600)

    async def watch_names(self) -> AsyncGenerator[Mapping[str, frozenset[str]], None]:
        yield {}


async def record(discovery: Scripted, backoff: Backoff = Backoff()) -> tuple[list[Snapshot], list[Event]]:
    """What a listener and an observer are told until the script has ended."""
    latest: Latest[Snapshot] = Latest(Pending("greeter"))
    snapshots: list[Snapshot] = []
    events: list[Event] = []
    latest.listen(snapshots.append)
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(1000):
            await follow(discovery, latest, events.append, backoff=backoff, rng=Random(7))
    return snapshots, events


async def test_answers_become_snapshots_and_repeated_ones_only_confirm() -> None:
    snapshots, events = await record(Scripted([ONE, ONE, TWO, Absent("greeter")]))
    assert snapshots == [ONE, TWO, Known("greeter", (), (A, B)), Absent("greeter")]
    assert [event.changed for event in events if isinstance(event, SnapshotUpdated)] == [True, False, True, True, True]
    assert [event for event in events if isinstance(event, AnswerDoubted)] == [AnswerDoubted("greeter", 2, 0, 30.0)]


async def test_what_was_known_is_kept_as_stale_and_replaced_on_return() -> None:
    snapshots, events = await record(Scripted([ONE, DOWN], [DOWN], [TWO]))
    assert [type(snapshot) for snapshot in snapshots] == [Known, Stale, Stale, Known]
    stale = snapshots[1]
    assert isinstance(stale, Stale) and stale.instances == (A,) and stale.why == "connection refused" and stale.since
    failed = [event for event in events if isinstance(event, WatchFailed)]
    assert len(failed) == 2 and all(event.age is not None for event in failed)
    recovered = next(event for event in events if isinstance(event, WatchRecovered))
    assert recovered.failures == 2


async def test_a_registry_that_never_answered_leaves_pending_with_the_reason() -> None:
    snapshots, _ = await record(Scripted([Denied("refused", rule='service "greeter" { policy = "read" }')], [ONE]))
    assert isinstance(snapshots[0], Pending) and "policy" in snapshots[0].why
    assert snapshots[1] == ONE


async def test_an_answer_that_comes_back_the_same_after_an_outage_ends_stale() -> None:
    snapshots, _ = await record(Scripted([ONE, DOWN], [ONE]))
    assert [type(snapshot) for snapshot in snapshots] == [Known, Stale, Known]


async def test_a_grace_does_not_end_while_the_registry_is_away() -> None:
    """Its last word may have been the first sign of its fault."""
    away = [[DOWN]] * 40
    snapshots, _ = await record(Scripted([TWO, Absent("greeter"), DOWN], *away, [TWO]), Backoff(10, 10))
    assert not any(isinstance(snapshot, Absent) for snapshot in snapshots)
    assert snapshots[-2].doubtful == (A, B) and snapshots[-1] == TWO


async def test_pauses_grow_and_keep_to_what_the_registry_asked_for() -> None:
    busy = RegistryUnavailable("429", retry_after=60)
    discovery = Scripted(*[[DOWN]] * 10, [busy], [ONE])
    await record(discovery, Backoff(initial=1, maximum=4))
    pauses = [later - earlier for earlier, later in zip(discovery.asked_at, discovery.asked_at[1:], strict=False)]
    assert pauses[0] <= 1.001 and max(pauses[:10]) <= 4.001 and max(pauses[2:10]) > 1
    assert pauses[10] >= 60


async def test_a_watch_that_ends_or_raises_something_foreign_is_asked_anew() -> None:
    snapshots, _ = await record(Scripted([ONE], [KeyError("fault in a backend")], [TWO]))
    assert snapshots[0] == ONE and snapshots[-1] == TWO


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (Pending("x"), Pending("x", "down")),
        (Known("x", (A,)), Stale("x", (A,), 5.0, "down")),
        (Absent("x"), Stale("x", (), 5.0, "down")),
        (Stale("x", (A,), 5.0, "slow"), Stale("x", (A,), 5.0, "down")),
    ],
)
def test_unconfirmed(before: Snapshot, after: Snapshot) -> None:
    assert unconfirmed(before, RegistryUnavailable("down"), 5.0) == after
