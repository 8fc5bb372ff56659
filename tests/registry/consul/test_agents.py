"""Several agents: reads go to any that answers, writes stay with the one that took the registration."""

from __future__ import annotations

import json
from contextlib import aclosing

import pytest

from muster.model.check import CheckState, Health
from muster.model.errors import Denied, RegistryUnavailable
from muster.model.instance import Instance
from muster.model.service import Registration
from muster.model.snapshot import Answer, Known
from muster.registry.consul import from_url
from muster.registry.consul.registry import Consul
from muster.testing.scripted import REFUSE, Received, Scripted, Step, answer
from muster.testing.servers import free_ports

pytestmark = pytest.mark.anyio

WEB = [{"Node": {"Node": "n1", "Address": "10.0.0.9"}, "Service": {"ID": "w-1", "Service": "web", "Port": 80}}]
SOMEBODY = answer(json.dumps(WEB), index=7)
KNOWN = Known("web", (Instance("w-1", "web", "10.0.0.9", 80),))
REGISTRATION = Registration(Instance("g-1", "greeter", "127.0.0.1", 9000))
PASSING = CheckState("self", Health.PASSING)


def agent(received: Received) -> Step:
    """An agent that holds nothing and takes everything."""
    return answer("unknown service ID", status=404) if received.method == "GET" else answer()


def of(*addresses: str) -> Consul:
    return from_url(f"consul://{','.join(addresses)}?timeout=500ms", {})


def nowhere() -> str:
    return f"127.0.0.1:{free_ports(1)[0]}"


async def first(registry: Consul) -> Answer:
    async with aclosing(registry.watch("web")) as answers:
        return await anext(answers)


@pytest.mark.parametrize(
    "bad", [REFUSE, answer("", status=503), answer("No cluster leader", status=500), answer("<html>", status=404)]
)
async def test_a_read_goes_on_to_the_next_agent_and_stays_there(bad: Step) -> None:
    async with Scripted([bad]) as one, Scripted([SOMEBODY]) as two, of(one.address, two.address) as registry:
        assert [await first(registry), await first(registry)] == [KNOWN, KNOWN]
    assert (len(one.requests), len(two.requests)) == (1, 2)


async def test_a_read_passes_over_an_agent_that_is_not_there() -> None:
    async with Scripted([SOMEBODY]) as two, of(nowhere(), two.address) as registry:
        assert await first(registry) == KNOWN


async def test_a_blocked_read_starts_over_at_the_next_agent() -> None:
    """The next one may be behind: with the index of the first it would wait for what it cannot know."""
    async with (
        Scripted([SOMEBODY, REFUSE]) as one,
        Scripted([SOMEBODY]) as two,
        of(one.address, two.address) as registry,
        aclosing(registry.watch("web")) as answers,
    ):
        assert [await anext(answers), await anext(answers)] == [KNOWN, KNOWN]
    assert "index" in one.requests[1].params
    assert "index" not in two.requests[0].params


async def test_a_denial_is_not_asked_elsewhere() -> None:
    async with (
        Scripted([answer("", status=403)]) as one,
        Scripted([SOMEBODY]) as two,
        of(one.address, two.address) as registry,
    ):
        with pytest.raises(Denied):
            await first(registry)
    assert two.requests == []


async def test_when_none_answers_each_says_why() -> None:
    other = nowhere()
    async with Scripted([answer("", status=429)]) as one, of(one.address, other) as registry:
        with pytest.raises(RegistryUnavailable) as caught:
            await first(registry)
    assert "answered 429" in str(caught.value)
    assert f"{other}: connection refused" in str(caught.value)
    assert caught.value.retry_after == 1.0


async def test_a_registration_passes_over_agents_that_are_not_there() -> None:
    async with Scripted(agent) as two, of(nowhere(), two.address) as registry:
        await registry.register(REGISTRATION)
        await registry.beat("g-1", PASSING)
        await registry.deregister("g-1")
    assert [each.path.rpartition("/v1/agent/")[2] for each in two.requests] == [
        "service/g-1",
        "service/register",
        "check/update/g-1%3Aself",
        "service/deregister/g-1",
    ]


@pytest.mark.parametrize("bad", [REFUSE, answer("", status=503)])
async def test_a_registration_that_an_agent_may_have_taken_stays_there(bad: Step) -> None:
    """Only an agent that could not even be connected to is passed over: an orphan could not be removed elsewhere."""
    async with (
        Scripted([answer("", status=404), bad]) as one,
        Scripted(agent) as two,
        of(one.address, two.address) as registry,
    ):
        for _ in range(2):
            with pytest.raises(RegistryUnavailable):
                await registry.register(REGISTRATION)
    assert two.requests == []


async def test_writes_never_move_to_another_agent() -> None:
    async with Scripted(agent) as two, Scripted(agent) as one, of(one.address, two.address) as registry:
        await registry.register(REGISTRATION)
        await one.stop()
        for write in (registry.register(REGISTRATION), registry.beat("g-1", PASSING), registry.deregister("g-1")):
            with pytest.raises(RegistryUnavailable):
                await write
    assert two.requests == []


async def test_after_deregistration_another_agent_may_take_it() -> None:
    async with Scripted(agent) as two, Scripted(agent) as one, of(one.address, two.address) as registry:
        await registry.register(REGISTRATION)
        await registry.deregister("g-1")
        await one.stop()
        await registry.register(REGISTRATION)
    assert [each.method for each in two.requests] == ["GET", "PUT"]
