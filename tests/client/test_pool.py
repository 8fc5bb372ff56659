"""The pool: whose turn it is, waiting for somebody, and why there is nobody."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace

import pytest

from muster.balance.balancing import Balancing
from muster.balance.nodes import Readiness
from muster.balance.selector import Selector
from muster.balance.subset import Subset
from muster.client.connector import Report
from muster.client.pool import Pool
from muster.model.check import CheckState, Health
from muster.model.errors import Fault, MusterError, NoInstances, RegistryUnavailable
from muster.model.events import Event, InstanceEjected, InstanceReturned
from muster.model.instance import Instance
from muster.model.snapshot import Absent, Known, Pending, Snapshot, Stale
from muster.watch.latest import Latest

pytestmark = pytest.mark.anyio

A, B = (Instance(letter, "db", "10.0.0.1", port) for port, letter in enumerate("ab", 5432))
CRITICAL = replace(B, health=Health.CRITICAL, failing=(CheckState("tcp", Health.CRITICAL, "refused"),))


@dataclass
class Wire:
    """A link that counts its users."""

    users: int = 0

    def hold(self) -> None:
        self.users += 1

    def release(self) -> None:
        self.users -= 1


@dataclass
class Plug:
    """A connection that a test drives."""

    report: Report[Wire]
    wire: Wire = field(default_factory=Wire)
    closed: bool = False

    def ready(self) -> None:
        self.report(Readiness.READY, "", self.wire)

    def down(self, why: str) -> None:
        self.report(Readiness.DOWN, why, None)

    def close(self) -> None:
        self.closed = True


class Plugs:
    """A connector whose connections a test drives, by instance id."""

    def __init__(self) -> None:
        self.plugs: dict[str, Plug] = {}

    def connect(self, instance: Instance, report: Report[Wire]) -> Plug:
        assert instance.id not in self.plugs
        self.plugs[instance.id] = Plug(report)
        return self.plugs[instance.id]


@pytest.fixture
def latest() -> Latest[Snapshot]:
    return Latest(Pending("db"))


@pytest.fixture
def pool(latest: Latest[Snapshot]) -> Iterator[Pool[Wire]]:
    """A pool without connections."""
    made: Pool[Wire] = Pool(latest)
    made.open()
    yield made
    made.close()


def ids(pool: Pool[Wire], picks: int = 12) -> set[str]:
    return {pool.choose().instance.id for _ in range(picks)}


def test_every_healthy_instance_has_its_turn(pool: Pool[Wire], latest: Latest[Snapshot]) -> None:
    for snapshot in (Known("db", (A, CRITICAL)), Stale("db", (A, CRITICAL), since=0.0)):
        latest.set(snapshot)
        assert ids(pool) == {"a"}
    latest.set(Known("db", (A, B)))
    assert ids(pool) == {"a", "b"}


def test_another_than_those_tried(pool: Pool[Wire], latest: Latest[Snapshot]) -> None:
    latest.set(Known("db", (A, B)))
    first = pool.choose()
    assert pool.elsewhere([first])
    assert {pool.choose([first]).instance.id for _ in range(6)} == {"a", "b"} - {first.instance.id}
    latest.set(Known("db", (first.instance,)))
    assert not pool.elsewhere([first])
    assert pool.choose([first]) is first


@pytest.mark.parametrize(
    ("snapshot", "error", "known", "text"),
    [
        (Pending("db"), RegistryUnavailable, None, "nothing is known of 'db' yet: no answer so far"),
        (Pending("db", "timed out"), RegistryUnavailable, None, "nothing is known of 'db' yet: timed out"),
        (Absent("db"), NoInstances, False, "the registry knows nobody of that name"),
        (Known("db", (CRITICAL,)), NoInstances, True, "1 registered: 1 critical (tcp: refused)"),
    ],
)
def test_why_there_is_nobody(
    pool: Pool[Wire], latest: Latest[Snapshot], snapshot: Snapshot, error: type[MusterError], known: bool, text: str
) -> None:
    latest.set(snapshot)
    with pytest.raises(error) as caught:
        pool.pick()
    assert text in str(caught.value)
    assert getattr(caught.value, "known", None) is known
    assert pool.why() == str(caught.value)


async def test_a_lease_waits_for_the_first_answer(pool: Pool[Wire], latest: Latest[Snapshot]) -> None:
    asyncio.get_running_loop().call_soon(latest.set, Known("db", (A,)))
    async with pool.lease() as lease:
        assert lease.instance is A


@pytest.mark.parametrize("snapshot", [Pending("db", "timed out"), Absent("db"), Known("db", (CRITICAL,))])
async def test_a_lease_fails_fast_unless_asked_to_wait(
    pool: Pool[Wire], latest: Latest[Snapshot], snapshot: Snapshot
) -> None:
    latest.set(snapshot)
    with pytest.raises((NoInstances, RegistryUnavailable)):
        async with pool.lease():
            pass
    loop = asyncio.get_running_loop()
    loop.call_soon(latest.set, snapshot)
    loop.call_soon(loop.call_soon, latest.set, Known("db", (A,)))
    async with pool.lease(wait_for_ready=True) as lease:
        assert lease.instance is A


async def test_closing_ends_waiting(pool: Pool[Wire]) -> None:
    asyncio.get_running_loop().call_soon(pool.close)
    with pytest.raises(NoInstances, match="closed"):
        async with pool.lease(wait_for_ready=True):
            pass
    pool.open()
    with pytest.raises(NoInstances, match="closed"):
        pool.pick()


@pytest.mark.parametrize(
    ("error", "failed"),
    [(None, 0), (Fault("NOT_FOUND"), 0), (TimeoutError(), 1), (ValueError(), 1), (asyncio.CancelledError(), 0)],
)
async def test_a_lease_reports_its_outcome(
    pool: Pool[Wire], latest: Latest[Snapshot], error: BaseException | None, failed: int
) -> None:
    latest.set(Known("db", (A,)))
    node = pool.choose()
    with suppress(*([type(error)] if error else [])):
        async with pool.lease():
            assert node.inflight == 1
            if error is not None:
                raise error
    assert (node.inflight, node.failures) == (0, failed)


def test_a_lease_is_released_once(pool: Pool[Wire], latest: Latest[Snapshot]) -> None:
    latest.set(Known("db", (A,)))
    with pool.pick() as lease:
        lease.release("UNAVAILABLE")
    assert (pool.choose().inflight, pool.choose().failures) == (0, 1)


# With connections.


@dataclass
class Connected:
    latest: Latest[Snapshot]
    plugs: Plugs
    pool: Pool[Wire]
    events: list[Event]


@pytest.fixture
def connected(latest: Latest[Snapshot]) -> Iterator[Connected]:
    plugs, events = Plugs(), list[Event]()
    pool: Pool[Wire] = Pool(latest, connector=plugs, observe=events.append)
    pool.open()
    yield Connected(latest, plugs, pool, events)
    pool.close()


def test_only_ready_instances_are_chosen(connected: Connected) -> None:
    connected.latest.set(Known("db", (A, B)))
    with pytest.raises(NoInstances, match="2 connecting"):
        connected.pool.choose()
    connected.plugs.plugs["a"].ready()
    assert ids(connected.pool) == {"a"}
    connected.plugs.plugs["b"].ready()
    assert ids(connected.pool) == {"a", "b"}
    connected.plugs.plugs["a"].down("connection lost")
    assert ids(connected.pool) == {"b"}
    assert [candidate.why_not for candidate in connected.pool.explain().candidates] == ["down (connection lost)", ""]


def test_critical_instances_are_connected_to_once_healthy_and_stay_connected(connected: Connected) -> None:
    connected.latest.set(Known("db", (CRITICAL,)))
    assert not connected.plugs.plugs
    connected.latest.set(Known("db", (B,)))
    plug = connected.plugs.plugs["b"]
    plug.ready()
    connected.latest.set(Known("db", (CRITICAL,)))
    assert not plug.closed
    plug.down("not serving")
    with pytest.raises(NoInstances, match="critical"):
        connected.pool.choose()
    plug.ready()
    connected.latest.set(Known("db", (B,)))
    assert ids(connected.pool) == {"b"}


def test_in_panic_the_connection_has_the_last_word(connected: Connected) -> None:
    connected.latest.set(Known("db", (A, B)))
    for plug in connected.plugs.plugs.values():
        plug.ready()
    connected.latest.set(Known("db", (replace(A, health=Health.CRITICAL), CRITICAL)))
    assert ids(connected.pool) == {"a", "b"}
    assert connected.pool.explain().panic
    connected.plugs.plugs["a"].down("not serving")
    assert ids(connected.pool) == {"b"}


def test_the_doubtful_are_called_while_they_are_connected(connected: Connected) -> None:
    connected.latest.set(Known("db", (A, B)))
    for plug in connected.plugs.plugs.values():
        plug.ready()
    connected.latest.set(Known("db", (), doubtful=(A, B)))
    assert ids(connected.pool) == {"a", "b"}
    plug = connected.plugs.plugs["a"]
    plug.down("lost")
    assert plug.closed
    assert ids(connected.pool) == {"b"}
    connected.latest.set(Known("db", (B,)))
    assert not connected.plugs.plugs["b"].closed
    assert ids(connected.pool) == {"b"}


async def test_the_tables_of_hashing_pickers_are_built_on_the_loop(latest: Latest[Snapshot]) -> None:
    pool: Pool[Wire] = Pool(latest, balancing=Balancing(picker="maglev"))
    pool.open()
    latest.set(Known("db", tuple(replace(A, id=str(number)) for number in range(20))))
    while pool.busy:
        await asyncio.sleep(0)
    owners = {key: pool.choose(key=key).instance.id for key in map(str, range(200))}
    assert len(set(owners.values())) == 20
    assert all(pool.explain(key).chosen == owner for key, owner in owners.items())
    pool.close()


def test_a_subset_alone_is_connected_to(latest: Latest[Snapshot]) -> None:
    plugs = Plugs()
    pool: Pool[Wire] = Pool(latest, connector=plugs, balancing=Balancing(subset=Subset(2, position=0.3)))
    pool.open()
    ten = tuple(replace(A, id=str(number), port=1 + number) for number in range(10))
    latest.set(Known("db", ten))
    assert len(plugs.plugs) == 2
    for plug in plugs.plugs.values():
        plug.ready()
    assert ids(pool, 40) == set(plugs.plugs)
    left = tuple(instance for instance in ten if instance.id not in plugs.plugs)
    latest.set(Known("db", left))
    assert [plug.closed for plug in plugs.plugs.values()] == [True, True, False, False]
    assert sum(not one.why_not.startswith("outside") for one in pool.explain().candidates) == 2
    pool.close()


def test_a_selector_has_its_own_view_of_a_watch(latest: Latest[Snapshot]) -> None:
    pool: Pool[Wire] = Pool(latest, selector=Selector(tags=("canary",)))
    pool.open()
    latest.set(Known("db", (A, replace(B, tags=("canary",)))))
    assert ids(pool) == {"b"}
    latest.set(Known("db", (A, B)))
    with pytest.raises(NoInstances, match="2 registered: 2 without the tag canary"):
        pool.choose()
    pool.close()


def test_connections_are_closed_when_their_instance_has_gone(connected: Connected) -> None:
    connected.latest.set(Known("db", (A, B)))
    connected.latest.set(Known("db", (B,)))
    assert {name: plug.closed for name, plug in connected.plugs.plugs.items()} == {"a": True, "b": False}
    connected.plugs.plugs["a"].ready()
    assert not connected.pool.ready
    connected.pool.close()
    assert connected.plugs.plugs["b"].closed


async def test_a_lease_waits_for_the_first_verdict(connected: Connected) -> None:
    connected.latest.set(Known("db", (A,)))
    plug = connected.plugs.plugs["a"]
    asyncio.get_running_loop().call_soon(plug.ready)
    async with connected.pool.lease() as lease:
        assert lease.link is plug.wire
        assert plug.wire.users == 1
    assert plug.wire.users == 0


async def test_a_lease_fails_when_every_verdict_is_bad(connected: Connected) -> None:
    connected.latest.set(Known("db", (A, B)))
    loop = asyncio.get_running_loop()
    for plug in connected.plugs.plugs.values():
        loop.call_soon(plug.down, "refused")
    with pytest.raises(NoInstances, match=r"2 registered: 2 down \(refused\)"):
        async with connected.pool.lease():
            pass


def test_a_suspect_is_out_until_its_connection_reports_anew(connected: Connected) -> None:
    connected.latest.set(Known("db", (A,)))
    plug = connected.plugs.plugs["a"]
    plug.ready()
    connected.pool.suspect(connected.pool.choose(), "link broken")
    with pytest.raises(NoInstances, match="link broken"):
        connected.pool.choose()
    assert connected.pool.undecided
    plug.ready()
    assert connected.pool.ready


def test_verdicts_are_told_when_they_change(connected: Connected) -> None:
    connected.latest.set(Known("db", (A,)))
    plug = connected.plugs.plugs["a"]
    for step in (plug.ready, plug.ready, lambda: plug.down("one"), lambda: plug.down("two"), plug.ready):
        step()
    told = [event if isinstance(event, InstanceEjected) else type(event) for event in connected.events]
    assert told == [InstanceReturned, InstanceEjected("db", "a", "one"), InstanceReturned]


def test_a_bad_first_verdict_is_told(connected: Connected) -> None:
    connected.latest.set(Known("db", (A,)))
    connected.plugs.plugs["a"].down("a stranger")
    assert connected.events == [InstanceEjected("db", "a", "a stranger")]


# Large sets.


async def test_a_large_set_comes_in_parts_and_all_of_it_is_connected_to(latest: Latest[Snapshot]) -> None:
    plugs = Plugs()
    pool: Pool[Wire] = Pool(latest, connector=plugs)
    pool.open()
    many = tuple(replace(A, id=str(number), port=1 + number) for number in range(5_000))
    latest.set(Known("db", many))
    assert 0 < len(plugs.plugs) < 5_000
    while pool.busy:
        await asyncio.sleep(0)
    assert plugs.plugs.keys() == {instance.id for instance in many}
    latest.set(Known("db", many[:2_500]))
    assert len(pool.explain().candidates) == 2_500
    pool.close()
    assert all(plug.closed for plug in plugs.plugs.values())


async def test_a_large_set_that_shrinks_while_it_comes(latest: Latest[Snapshot]) -> None:
    pool: Pool[Wire] = Pool(latest)
    pool.open()
    latest.set(Known("db", tuple(replace(A, id=str(number), port=1 + number) for number in range(5_000))))
    latest.set(Known("db", (A,)))
    while pool.busy:
        await asyncio.sleep(0)
    assert ids(pool) == {"a"}
    pool.close()
