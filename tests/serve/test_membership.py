"""Getting registered, staying so and leaving, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random
from typing import Any

import pytest

from muster.model.check import CheckState, Health
from muster.model.errors import Denied, NotRegistered, RegistryUnavailable, Rejected
from muster.model.events import RegistrationState
from muster.serve.checks import Result
from muster.serve.condition import Observed
from muster.serve.entry import Label, compose
from muster.serve.membership import ATTEMPT_LIMIT, Membership
from muster.serve.mode import Mode
from muster.serve.reach import by_grpc
from muster.serve.settings import Timing
from muster.serve.standing import Pace
from muster.testing.clock import VirtualTimeLoop

pytestmark = pytest.mark.anyio

ENTRY = compose(Label("greeter"), "greeter-1", ("127.0.0.1", 9000), (), Timing(), by_grpc(None))


Scripted = Any
"""The ScriptedRegistrar of conftest.py, which cannot be imported."""


@pytest.fixture
def anyio_backend() -> tuple[str, dict[str, Any]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop}


async def passes() -> None: ...


def membership_of(
    registrar: Scripted | None,
    mode: Mode = Mode.SELF,
    gate: Any = passes,
    *,
    rechecks: bool = False,
    condition: Observed | None = None,
) -> Membership:
    return Membership(registrar, ENTRY, gate, mode.standing, Pace(10.0, rechecks=rechecks), Random(1), condition)


@asynccontextmanager
async def kept(membership: Membership) -> AsyncIterator[None]:
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(membership.keep())
        await membership.tried.wait()
        yield
        keeper.cancel()


async def test_registers_and_beats(registrar: Scripted) -> None:
    membership = membership_of(registrar)
    async with kept(membership):
        assert membership.standing.value.state is RegistrationState.REGISTERED
        assert registrar.done == ["register"]
        await asyncio.sleep(60)
    assert registrar.done[1:] == ["beat passing"] * 6
    pauses = [b - a for a, b in zip(registrar.times, registrar.times[1:], strict=False)]
    assert all(9.0 <= pause <= 10.1 for pause in pauses)


async def test_registers_anew_when_it_was_forgotten(registrar: Scripted) -> None:
    membership = membership_of(registrar)
    async with kept(membership):
        forgotten = [NotRegistered("greeter-1", "consul://x")]
        registrar.answer = lambda what: forgotten.pop() if forgotten and what.startswith("beat") else None
        states = _states(membership)
        await asyncio.sleep(15)
    assert registrar.done[:4] == ["register", "beat passing", "register", "beat passing"]
    assert list(dict.fromkeys(states)) == [RegistrationState.WAITING, RegistrationState.REGISTERED]


@pytest.mark.parametrize("others", [True, False])
async def test_what_others_have_written_is_taken_out_by_who_never_registered(registrar: Scripted, others: bool) -> None:
    """A process that is stopped before its first attempt may be the last of those that share a port."""
    pace, standing = Pace(10.0), Mode.SELF.standing
    membership = Membership(registrar, ENTRY, passes, standing, pace, written_by_others=lambda: others)
    assert membership.known is others
    assert await membership.leave(1.0)
    assert registrar.done == (["beat critical", "deregister"] if others else [])


async def test_a_registry_that_is_away_at_the_start(registrar: Scripted) -> None:
    registrar.answer = lambda _: RegistryUnavailable("refused")
    membership = membership_of(registrar)
    async with kept(membership):
        assert membership.standing.value.state is RegistrationState.WAITING
        assert membership.standing.value.why == "register: refused"
        await asyncio.sleep(600)
        attempts = len(registrar.done)
        registrar.answer = lambda _: None
        await asyncio.sleep(10)
        assert membership.standing.value.state is RegistrationState.REGISTERED
    assert 60 < attempts < 200


async def test_a_registry_that_is_away_later(registrar: Scripted) -> None:
    membership = membership_of(registrar)
    async with kept(membership):
        registrar.answer = lambda _: RegistryUnavailable("refused")
        await asyncio.sleep(60)
        standing = membership.standing.value
        assert (standing.state, standing.why) == (RegistrationState.FAILING, "heartbeat: refused")
        assert standing.registered_once
        registrar.answer = lambda _: None
        await asyncio.sleep(10)
        assert membership.standing.value.state is RegistrationState.REGISTERED
    assert "register" not in registrar.done[1:]


async def test_a_right_that_is_missing_is_a_state_and_granted_later(registrar: Scripted) -> None:
    registrar.answer = lambda _: Denied("403", rule='service "greeter" { policy = "write" }')
    membership = membership_of(registrar)
    async with kept(membership):
        standing = membership.standing.value
        assert standing.state is RegistrationState.FAILING
        assert 'policy = "write"' in standing.why
        await asyncio.sleep(30)
        assert len(registrar.done) == 4
        registrar.answer = lambda _: None
        await asyncio.sleep(10)
        assert membership.standing.value.state is RegistrationState.REGISTERED


async def test_a_registry_that_never_answers(registrar: Scripted) -> None:
    registrar.hangs = True
    membership = membership_of(registrar)
    async with kept(membership):
        assert asyncio.get_running_loop().time() == pytest.approx(ATTEMPT_LIMIT, abs=0.01)
        assert membership.standing.value.why == "register: no answer within 5 s"
    began = asyncio.get_running_loop().time()
    await membership.leave(1.0)
    assert asyncio.get_running_loop().time() - began == pytest.approx(1.0, abs=0.01)


async def test_a_register_check_is_waited_for(registrar: Scripted) -> None:
    ready = False

    async def gate() -> None:
        if not ready:
            raise OSError("no database")

    membership = membership_of(registrar, gate=gate)
    async with kept(membership):
        assert membership.standing.value.why == "register check: no database"
        await asyncio.sleep(60)
        assert registrar.done == []
        ready = True
        await asyncio.sleep(10)
        assert registrar.done[0] == "register"


async def test_a_register_check_that_never_ends_counts_as_failed(registrar: Scripted) -> None:
    async def gate() -> None:
        await asyncio.get_running_loop().create_future()

    membership = membership_of(registrar, gate=gate)
    async with kept(membership):
        assert membership.standing.value.why == "register check: no answer within 5 s"


async def test_where_others_register_only_the_register_check_is_made() -> None:
    membership = membership_of(None, Mode.EXTERNAL)
    async with kept(membership):
        await asyncio.sleep(60)
        assert membership.standing.value.checked
        assert membership.standing.value.state is RegistrationState.EXTERNAL
    await membership.leave(1.0)
    assert membership.standing.value.state is RegistrationState.EXTERNAL


async def test_leaves(registrar: Scripted) -> None:
    membership = membership_of(registrar)
    async with kept(membership):
        pass
    await membership.leave(1.0)
    assert registrar.done == ["register", "beat critical", "deregister"]
    assert membership.standing.value.state is RegistrationState.DEREGISTERED


async def test_leaves_also_when_it_was_forgotten(registrar: Scripted) -> None:
    membership = membership_of(registrar)
    async with kept(membership):
        registrar.answer = lambda what: NotRegistered("greeter-1", "x") if what == "beat critical" else None
    await membership.leave(1.0)
    assert registrar.done[-1] == "deregister"
    assert membership.standing.value.state is RegistrationState.DEREGISTERED


async def test_leaving_a_registry_that_is_away(registrar: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    membership = membership_of(registrar)
    async with kept(membership):
        registrar.answer = lambda _: RegistryUnavailable("refused")
    await membership.leave(1.0)
    assert membership.standing.value.state is RegistrationState.FAILING
    assert membership.standing.value.why == "deregister: refused"
    assert "greeter-1 is left in the registry" in caplog.text


async def test_a_registration_cut_off_in_the_middle_is_taken_back(registrar: Scripted) -> None:
    """The registry may have taken it although nobody waited for its answer."""
    registrar.hangs = True
    membership = membership_of(registrar)
    async with asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(membership.keep())
        await asyncio.sleep(1)
        keeper.cancel()
    registrar.hangs = False
    await membership.leave(1.0)
    assert registrar.done == ["register", "beat critical", "deregister"]


async def test_who_was_never_registered_has_nothing_to_leave(registrar: Scripted) -> None:
    membership = membership_of(registrar)
    await membership.leave(1.0)
    assert registrar.done == []


async def test_who_was_refused_leaves_alone_what_is_there(registrar: Scripted) -> None:
    """The id may be another service's: deregistering it would end that one."""
    registrar.answer = lambda what: Rejected("the id is taken") if what == "register" else None
    membership = membership_of(registrar)
    async with kept(membership):
        assert membership.standing.value.state is RegistrationState.FAILING
    await membership.leave(1.0)
    assert registrar.done == ["register"]


def found(health: Health) -> tuple[Result, ...]:
    return (Result(CheckState("database", health, "" if health is Health.PASSING else "refused"), 0.0),)


async def test_heartbeats_say_what_the_instance_finds_and_changes_at_once(registrar: Scripted) -> None:
    condition = Observed(Timing())
    async with kept(membership_of(registrar, condition=condition)):
        await asyncio.sleep(12)
        condition.found(found(Health.CRITICAL))
        await asyncio.sleep(0.001)
        assert registrar.done == ["register", "beat passing", "beat critical"]
        condition.found(found(Health.WARNING))
        condition.found(found(Health.PASSING))
        await asyncio.sleep(0.001)
        assert registrar.done[3:] == ["beat passing"]
        await asyncio.sleep(60)
    assert registrar.outputs[:3] == ["serving", "database: refused", "serving"]
    assert 9 <= len(registrar.done) <= 11


async def test_changes_do_not_hurry_a_registry_that_is_away(registrar: Scripted) -> None:
    condition = Observed(Timing())
    async with kept(membership_of(registrar, condition=condition)):
        registrar.answer = lambda _: RegistryUnavailable("refused")
        for _ in range(100):
            condition.found(found(Health.CRITICAL))
            condition.found(found(Health.PASSING))
            await asyncio.sleep(0.1)
    assert len(registrar.done) < 12


async def test_who_is_critical_registers_once_it_is_well(registrar: Scripted) -> None:
    condition = Observed(Timing(), found(Health.CRITICAL))
    membership = membership_of(registrar, condition=condition)
    async with kept(membership):
        assert membership.standing.value.why == "register check: database: refused"
        await asyncio.sleep(60)
        assert registrar.done == []
        condition.found(found(Health.PASSING))
        await asyncio.sleep(0.001)
        assert registrar.done == ["register"]


async def test_a_warning_is_told_as_soon_as_it_is_registered(registrar: Scripted) -> None:
    async with kept(membership_of(registrar, condition=Observed(Timing(), found(Health.WARNING)))):
        await asyncio.sleep(0.001)
        assert registrar.done == ["register", "beat warning"]


async def test_a_loop_that_is_blocked_for_longer_than_the_registry_waits(registrar: Scripted) -> None:
    """Consul removes who is critical for a minute. While the loop is blocked nobody registers; then at once."""
    condition = Observed(Timing())
    known = True

    def consul(what: str) -> Exception | None:
        nonlocal known
        known = known or what == "register"
        return None if known else NotRegistered("greeter-1", "consul://x")

    registrar.answer = consul
    membership = membership_of(registrar, condition=condition)
    async with kept(membership):
        condition.looked(5.5)
        await asyncio.sleep(60)
        assert registrar.done[1] == "beat critical"
        known = False
        await asyncio.sleep(600)
        assert registrar.done.count("register") == 1
        assert membership.standing.value.why == "register check: event loop blocked for 5.5 s"
        condition.looked(0.0)
        await asyncio.sleep(0.1)
        assert registrar.done[-2:] == ["register", "beat passing"]


async def test_a_register_check_that_fails_later(registrar: Scripted) -> None:
    fails = False

    async def gate() -> None:
        if fails:
            raise OSError("no database")

    membership = membership_of(registrar, gate=gate, rechecks=True)
    async with kept(membership):
        await asyncio.sleep(60)
        fails = True
        await asyncio.sleep(35)
        assert registrar.done[-2:] == ["beat critical", "deregister"]
        assert registrar.outputs[-1] == "register check: no database"
        standing = membership.standing.value
        assert (standing.state, standing.checked) == (RegistrationState.WAITING, False)
        await asyncio.sleep(600)
        assert registrar.done.count("deregister") == 1
        fails = False
        await asyncio.sleep(25)
        assert membership.standing.value.state is RegistrationState.REGISTERED
        assert registrar.done.count("register") == 2


async def test_a_register_check_that_fails_now_and_then_changes_nothing(registrar: Scripted) -> None:
    made = 0

    async def gate() -> None:
        nonlocal made
        made += 1
        if made % 3:
            raise OSError("no database")

    membership = membership_of(registrar, gate=gate, rechecks=True)
    async with kept(membership):
        await asyncio.sleep(3600)
    assert registrar.done.count("register") == 1
    assert "deregister" not in registrar.done


async def test_a_register_check_that_comes_and_goes_takes_it_out_ever_less_often(registrar: Scripted) -> None:
    """Two minutes well, two minutes not, for two hours: 30 times in a row without the growing pauses."""
    loop = asyncio.get_running_loop()

    async def gate() -> None:
        if loop.time() % 240 >= 120:
            raise OSError("no database")

    async with kept(membership_of(registrar, gate=gate, rechecks=True)):
        await asyncio.sleep(7200)
    assert 5 <= registrar.done.count("deregister") <= 20


async def test_a_blocked_loop_is_not_asked_and_does_not_leave(registrar: Scripted) -> None:
    condition, asked = Observed(Timing()), 0

    async def gate() -> None:
        nonlocal asked
        asked += 1

    async with kept(membership_of(registrar, gate=gate, rechecks=True, condition=condition)):
        await asyncio.sleep(25)
        condition.looked(6.0)
        asked = 0
        await asyncio.sleep(300)
        assert asked == 0
        assert set(registrar.done[4:]) == {"beat critical"}


async def test_a_registry_that_is_away_for_an_hour(registrar: Scripted) -> None:
    condition = Observed(Timing())
    membership = membership_of(registrar, rechecks=True, condition=condition)
    async with kept(membership):
        registrar.answer = lambda _: RegistryUnavailable("refused")
        await asyncio.sleep(3600)
        assert 360 < len(registrar.done) < 1200
        condition.found(found(Health.CRITICAL))
        forgotten = [NotRegistered("greeter-1", "consul://x")]
        registrar.answer = lambda what: forgotten.pop() if forgotten else None
        registrar.calls.clear()
        await asyncio.sleep(60)
        assert registrar.done == ["beat critical"]
        condition.found(found(Health.PASSING))
        await asyncio.sleep(1)
        assert registrar.done == ["beat critical", "register", "beat passing"]


def _states(membership: Membership) -> list[RegistrationState]:
    states: list[RegistrationState] = []
    membership.standing.listen(lambda standing: states.append(standing.state))
    return states
