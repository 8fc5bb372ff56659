"""A thousand instances after an outage: how their writes come back, in virtual time and on the agent."""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

import pytest

from muster.agent import Agent
from muster.model.check import CheckState
from muster.model.errors import NotRegistered, RegistryUnavailable
from muster.model.events import RegistrationState
from muster.model.service import Registration
from muster.registry.protocol import Registrar
from muster.registry.url import open_registry
from muster.serve.entry import Label, compose
from muster.serve.membership import Membership
from muster.serve.mode import Mode
from muster.serve.reach import by_grpc
from muster.serve.settings import Timing
from muster.serve.standing import Pace
from muster.testing.clock import VirtualTimeLoop

pytestmark = pytest.mark.anyio

FLEET = 1000


class Counted:
    """A registrar that counts the registrations which arrive at another one, by the second, and notes when."""

    def __init__(self, registrar: Registrar) -> None:
        self._registrar = registrar
        self.registered: Counter[int] = Counter()
        self.times: list[float] = []

    async def register(self, registration: Registration) -> None:
        await self._registrar.register(registration)
        now = asyncio.get_running_loop().time()
        self.registered[math.floor(now)] += 1
        self.times.append(now)

    async def deregister(self, instance_id: str) -> None:
        await self._registrar.deregister(instance_id)

    async def beat(self, instance_id: str, state: CheckState) -> None:
        await self._registrar.beat(instance_id, state)


class Forgetful:
    """A registrar that can be away, and that knows nobody when it comes back."""

    def __init__(self) -> None:
        self.away = False
        self.known: set[str] = set()
        self.asked: Counter[int] = Counter()

    def leave(self) -> None:
        self.away = True
        self.known.clear()

    async def register(self, registration: Registration) -> None:
        self._ask()
        self.known.add(registration.instance.id)

    async def deregister(self, instance_id: str) -> None:
        self._ask()

    async def beat(self, instance_id: str, state: CheckState) -> None:
        self._ask()
        if instance_id not in self.known:
            raise NotRegistered(instance_id, "here")

    def _ask(self) -> None:
        self.asked[math.floor(asyncio.get_running_loop().time())] += 1
        if self.away:
            raise RegistryUnavailable("refused")


async def passes() -> None: ...


@asynccontextmanager
async def fleet(registrar: Registrar, pace: Pace) -> AsyncIterator[list[Membership]]:
    """That many instances, each started at a moment of its own within a beat."""
    rng = Random(1)
    members: list[Membership] = []

    async def live(number: int, delay: float) -> None:
        await asyncio.sleep(delay)
        entry = compose(
            Label("greeter"), f"greeter-{number}", ("127.0.0.1", 9000), (), Timing(beat=pace.beat), by_grpc(None)
        )
        member = Membership(registrar, entry, passes, Mode.SELF.standing, pace, Random(rng.random()))
        members.append(member)
        await member.keep()

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(live(number, rng.uniform(0, pace.beat))) for number in range(FLEET)]
        yield members
        for task in tasks:
            task.cancel()


def registered(members: list[Membership]) -> bool:
    states = [member.standing.value.state for member in members]
    return len(states) == FLEET and all(state is RegistrationState.REGISTERED for state in states)


async def until(condition: Callable[[], bool], seconds: float) -> float:
    """The seconds that it took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    while not condition():
        assert clock() < began + seconds, f"not within {seconds} s"
        await asyncio.sleep(0.1)
    return clock() - began


@pytest.fixture
def virtual_time() -> None:
    """What the loop of the tests that use it is like; see anyio_backend."""


@pytest.fixture
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, object]]:
    return "asyncio", {"loop_factory": VirtualTimeLoop} if "virtual_time" in request.fixturenames else {}


@pytest.mark.parametrize(
    ("spread", "outage", "registrations", "writes"),
    [(None, 5.0, 250, 700), (None, 60.0, 135, 280), (40.0, 30.0, 45, 250)],
)
async def test_writes_come_back_below_a_rate(
    spread: float | None, outage: float, registrations: int, writes: int, virtual_time: None
) -> None:
    """The most in one second: of registrations 1,000 / spread, and what chance adds to it."""
    registry = Forgetful()
    counted = Counted(registry)
    async with fleet(counted, Pace(10.0, spread)) as members:
        await until(lambda: registered(members), 100)
        await asyncio.sleep(30)
        registry.leave()
        await asyncio.sleep(outage)
        counted.registered.clear()
        registry.asked.clear()
        registry.away = False
        await until(lambda: len(registry.known) == FLEET, 15 + (spread or 10.0))
        assert max(counted.registered.values()) <= registrations
        assert max(registry.asked.values()) <= writes


@pytest.mark.timeout(400)
async def test_a_fleet_returns_to_an_agent_that_lost_everything() -> None:
    async with Agent(http="127.0.0.1:0") as agent:
        address, url = agent.address, agent.url
        async with open_registry(url) as registry:
            counted = Counted(registry)  # type: ignore[arg-type]
            async with fleet(counted, Pace(6.0, spread=6.0)) as members:
                await until(lambda: registered(members), 150)
                await agent.__aexit__(None, None, None)
                counted.times.clear()
                async with Agent(http=address):
                    await until(lambda: len(counted.times) >= FLEET and registered(members), 150)
                # The span, and not the most in one second: a busy machine bunches them, but does not shorten it.
                assert max(counted.times) - min(counted.times) >= 4.5
