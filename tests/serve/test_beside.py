"""A membership on another thread, seen from the loop that serves."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from muster.client.background import background
from muster.model.errors import NotRegistered, RegistryUnavailable
from muster.model.events import RegistrationState
from muster.serve.beside import Beside, asked_of
from muster.serve.entry import Label, compose
from muster.serve.membership import Gate, Membership, Unwell
from muster.serve.mode import Mode
from muster.serve.reach import by_grpc
from muster.serve.settings import Timing
from muster.serve.standing import Pace

pytestmark = pytest.mark.anyio

ENTRY = compose(Label("greeter"), "greeter-1", ("127.0.0.1", 9000), (), Timing(), by_grpc(None))

Scripted = Any


async def passes() -> None: ...


def member_of(registrar: Scripted, gate: Gate | None = None, beat: float = 10.0) -> Beside:
    gate = gate or asked_of(asyncio.get_running_loop(), passes)
    return Beside(Membership(registrar, ENTRY, gate, Mode.SELF.standing, Pace(beat)), background())


@asynccontextmanager
async def kept(member: Beside) -> AsyncIterator[None]:
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(member.keep())
        await member.tried.wait()
        yield
        keeper.cancel()


async def test_it_registers_follows_and_leaves(registrar: Scripted) -> None:
    member = member_of(registrar)
    states: list[RegistrationState] = []
    member.standing.listen(lambda standing: states.append(standing.state))
    assert not member.known
    async with kept(member):
        assert member.standing.value.state is RegistrationState.REGISTERED
        assert member.known
    await member.leave(1.0)
    assert registrar.done == ["register", "beat critical", "deregister"]
    assert states == [RegistrationState.WAITING, RegistrationState.REGISTERED, RegistrationState.DEREGISTERED]


async def test_the_register_check_is_made_on_the_loop_that_serves(registrar: Scripted) -> None:
    threads: list[threading.Thread] = []

    async def gate() -> None:
        threads.append(threading.current_thread())

    async with kept(member_of(registrar, asked_of(asyncio.get_running_loop(), gate))):
        assert threads == [threading.main_thread()]


async def test_it_beats_while_the_loop_is_blocked_but_does_not_register_anew(registrar: Scripted) -> None:
    asked, ask = 0, asked_of(asyncio.get_running_loop(), passes)

    async def gate() -> None:
        nonlocal asked
        asked += 1
        await ask()

    async with kept(member_of(registrar, gate, beat=0.05)):
        _block(lambda: registrar.done.count("beat passing") > 5)
        forgotten = [NotRegistered("greeter-1", "here")]
        registrar.answer = lambda what: forgotten.pop() if forgotten else None
        _block(lambda: not forgotten)
        _block(lambda: asked == 2)
        for _ in range(10):
            background().start(asyncio.sleep(0)).result(30)
        assert registrar.done.count("register") == 1
        while registrar.done.count("register") < 2:
            await asyncio.sleep(0.01)


async def test_a_blocked_loop_finds_one_question_and_not_a_heap() -> None:
    made = 0

    async def gate() -> None:
        nonlocal made
        made += 1

    ask = asked_of(asyncio.get_running_loop(), gate)
    first = background().start(ask())
    others = [background().start(ask()) for _ in range(10)]
    for other in others:
        with pytest.raises(Unwell, match="the event loop is blocked"):
            other.result(30)
    await asyncio.wrap_future(first)
    await asyncio.wrap_future(background().start(ask()))
    assert made == 2


async def test_leaving_in_the_middle_of_a_registration(registrar: Scripted) -> None:
    registrar.hangs = True
    member = member_of(registrar)
    async with asyncio.timeout(30), asyncio.TaskGroup() as tasks:
        keeper = tasks.create_task(member.keep())
        while not registrar.done:
            await asyncio.sleep(0.01)
        keeper.cancel()
    registrar.hangs = False
    await member.leave(1.0)
    assert registrar.done == ["register", "beat critical", "deregister"]


async def test_a_registry_that_is_away_at_the_stop(registrar: Scripted, caplog: pytest.LogCaptureFixture) -> None:
    member = member_of(registrar)
    async with kept(member):
        registrar.answer = lambda _: RegistryUnavailable("refused")
    await member.leave(1.0)
    assert member.standing.value.why == "deregister: refused"
    assert "is left in the registry" in caplog.text


async def test_a_registry_that_hangs_at_the_stop_has_no_more_than_its_time(registrar: Scripted) -> None:
    member = member_of(registrar)
    async with kept(member):
        registrar.hangs = True
    began = time.monotonic()
    await member.leave(0.2)
    assert 0.2 <= time.monotonic() - began < 2.0
    assert member.standing.value.why == "deregister: no answer within 0.2 s"


def _block(enough: Any) -> None:
    """Blocks the event loop until it is `enough`."""
    deadline = time.monotonic() + 10
    while not enough():
        assert time.monotonic() < deadline
        time.sleep(0.01)
